"""What one ingest task does: parse its ranges, drop duplicates, write its own files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recspark.arrays.ratings import Keys, Ratings, pair_keys
from recspark.cluster.tasks import PartFile, write_part
from recspark.contract import columns as c
from recspark.ingest import parsed as r
from recspark.ingest.duplicates import mark_duplicates, run_starts
from recspark.ingest.formats import Block, Format
from recspark.ingest.parsed import Parsed, Reject
from recspark.text.ranges import Range

RANGE = "range"
# A lookup table: NumPy's own conversion of days to years takes a fifth of the parsing time.
YEAR_OF_DAY = (np.arange(r.LAST_DAY + 1).astype("M8[D]").astype("M8[Y]").astype(np.int16)) + 1970
_REJECTS = pa.schema(
    [
        (RANGE, pa.int32()),
        (c.LINE, pa.int64()),
        (c.OFFSET, pa.int64()),
        (c.TEXT, pa.string()),
        (c.REASON, pa.string()),
    ]
)


@dataclass(frozen=True)
class Part:
    """The files written for about `part_bytes` of text, and the counts of its lines."""

    name: str
    ratings: list[PartFile]
    rejects: list[PartFile]
    num_lines: dict[int, int]
    """Lines by range number."""
    num_ratings: int
    num_rejects: int
    num_headers: int
    num_blanks: int
    movies: npt.NDArray[np.int32]
    """The movies with ratings in the part, ascending."""
    movie_rows: npt.NDArray[np.int64]
    """Ratings of each of them."""
    edge_movies: npt.NDArray[np.int32]
    """The first and the last movie, in the order of the text."""
    edges: PartFile | None
    """A copy of the ratings of those two, if the part is grouped by movie."""


@dataclass
class _Piece:
    range_number: int
    first_line: int
    offset: int
    block: Block
    movie: int | None
    parsed: Parsed


@dataclass
class _Pending:
    """Pieces that will make up the next part."""

    pieces: list[_Piece] = field(default_factory=list)
    num_bytes: int = 0


def ingest_ranges(
    task: int,
    ranges: list[Range],
    layout: Format,
    *,
    part_bytes: int,
    ratings_root: str,
    rejects_root: str,
    drop: Mapping[str, Keys],
) -> Iterator[Part]:
    """Write the ranges in parts, and yield each part once it is written.

    Args:
        task: The task's number, which names its parts.
        ranges: What to read, in order.
        layout: How to parse it.
        part_bytes: Text per part (bytes); memory is about five times that.
        ratings_root: Where part files of ratings go.
        rejects_root: Where part files of rejects go; lines still count from the range's start.
        drop: By part name, the pairs to drop because another part's rating is kept.
    """
    pending, number = _Pending(), 0
    for one in ranges:
        movie = layout.movie_above(one)
        line = 0
        for offset, block in layout.read(one):
            parsed = layout.parse(block, movie)
            pending.pieces.append(_Piece(one.number, line, offset, block, movie, parsed))
            pending.num_bytes += layout.size(block)
            movie, line = parsed.movie, line + parsed.num_lines
            if pending.num_bytes >= part_bytes:
                name = f"{task:05d}-{number:03d}"
                yield _write(name, pending, layout, ratings_root, rejects_root, drop.get(name))
                pending, number = _Pending(), number + 1
    if pending.pieces:
        name = f"{task:05d}-{number:03d}"
        yield _write(name, pending, layout, ratings_root, rejects_root, drop.get(name))


def _write(
    name: str,
    pending: _Pending,
    layout: Format,
    ratings_root: str,
    rejects_root: str,
    drop: Keys | None,
) -> Part:
    pieces = pending.pieces
    rows = Ratings.concatenate([piece.parsed.rows for piece in pieces])
    is_duplicate = mark_duplicates(rows)
    if drop is not None:
        is_duplicate |= np.isin(pair_keys(rows.users, rows.movies), drop)
    rejects = [(piece, reject) for piece in pieces for reject in piece.parsed.rejects]
    if is_duplicate.any():
        rejects += _locate(pieces, is_duplicate, layout)
        rows = rows.where(~is_duplicate)
    movies, movie_rows = _count_movies(rows.movies)
    is_by_movie = len(run_starts(rows.movies)) == len(movies)
    edges = _write_edges(rows, ratings_root, name) if is_by_movie else None
    num_lines: dict[int, int] = {}
    for piece in pieces:
        lines = num_lines.get(piece.range_number, 0) + piece.parsed.num_lines
        num_lines[piece.range_number] = lines
    return Part(
        name=name,
        ratings=_write_ratings(rows, ratings_root, name),
        rejects=_write_rejects(rejects, rejects_root, name),
        num_lines=num_lines,
        num_ratings=len(rows),
        num_rejects=len(rejects),
        num_headers=sum(piece.parsed.num_headers for piece in pieces),
        num_blanks=sum(piece.parsed.num_blanks for piece in pieces),
        movies=movies,
        movie_rows=movie_rows,
        edge_movies=rows.movies[[0, -1]] if len(rows) else rows.movies,
        edges=edges,
    )


def _count_movies(
    movies: npt.NDArray[np.int32],
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Return the distinct movies and the rows of each; long runs of one movie make it fast."""
    starts = run_starts(movies)
    found, run = np.unique(movies[starts], return_inverse=True)
    lengths = np.diff(np.append(starts, len(movies)))
    return found, np.bincount(run, weights=lengths, minlength=len(found)).astype(np.int64)


def _locate(
    pieces: list[_Piece], is_duplicate: npt.NDArray[np.bool_], layout: Format
) -> list[tuple[_Piece, Reject]]:
    """Return the lines of duplicate rows, found by parsing their pieces again."""
    found = []
    ends = np.cumsum([len(piece.parsed.rows) for piece in pieces])
    for piece, end in zip(pieces, ends.tolist(), strict=True):
        positions = np.flatnonzero(is_duplicate[end - len(piece.parsed.rows) : end])
        if len(positions):
            lines = layout.locate(piece.block, piece.movie, positions.tolist())
            found += [(piece, replace(line, reason=r.DUPLICATE)) for line in lines]
    return found


def _write_ratings(rows: Ratings, root: str, name: str) -> list[PartFile]:
    years = YEAR_OF_DAY[rows.days]
    order = np.argsort(years, kind="stable")  # a radix sort on 16 bits
    table = pa.table(
        {
            c.USER_ID: rows.users[order],
            c.MOVIE_ID: rows.movies[order],
            c.RATING: rows.ratings[order],
            c.RATED_ON: pa.array(rows.days[order]).cast(pa.date32()),
        }
    )
    counts = np.bincount(years)
    files, start = [], 0
    for year in np.flatnonzero(counts).tolist():
        count = int(counts[year])
        path = f"{c.RATED_YEAR}={year}/part-{name}.parquet"
        part = table.slice(start, count)
        # Movies come in runs, which compress as well as a dictionary would, and faster.
        distinct = [c.USER_ID, c.MOVIE_ID]
        files.append(write_part(part, root, path, distinct=distinct, close=[c.RATED_ON]))
        start += count
    return files


def _write_edges(rows: Ratings, root: str, name: str) -> PartFile | None:
    """Write the movies that a cut may run through, for the search for duplicates between parts.

    The file is never committed, so it is removed with the files of unfinished attempts.
    """
    if len(rows) == 0:
        return None
    found = rows.where((rows.movies == rows.movies[0]) | (rows.movies == rows.movies[-1]))
    table = pa.table(
        {
            c.USER_ID: found.users,
            c.MOVIE_ID: found.movies,
            c.RATED_ON: pa.array(found.days).cast(pa.date32()),
        }
    )
    return write_part(table, root, f"edges-{name}.parquet", distinct=[c.USER_ID])


def _write_rejects(rejects: list[tuple[_Piece, Reject]], root: str, name: str) -> list[PartFile]:
    if not rejects:
        return []
    table = pa.table(
        {
            RANGE: [piece.range_number for piece, _ in rejects],
            c.LINE: [piece.first_line + reject.line for piece, reject in rejects],
            c.OFFSET: [piece.offset + reject.offset for piece, reject in rejects],
            c.TEXT: [reject.text for _, reject in rejects],
            c.REASON: [reject.reason for _, reject in rejects],
        },
        schema=_REJECTS,
    )
    return [write_part(table, root, f"part-{name}.parquet")]
