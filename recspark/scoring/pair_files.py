"""The request of score_pairs: files of pairs, each piece with the position where it begins."""

from __future__ import annotations

import dataclasses
import logging
from dataclasses import dataclass, field

import pyarrow as pa
from pyspark.sql import SparkSession

from recspark.arrays.ids import Ids, concatenate_ids, to_column
from recspark.cluster.tasks import spread
from recspark.contract import columns as c
from recspark.errors import DataError, describe
from recspark.files import storage
from recspark.ingest.pair_files import (
    NUM_SAMPLES,
    Piece,
    describe_bad,
    list_sources,
    read_piece,
    split_files,
)
from recspark.ingest.pairs import BadRow, Kinds, PairColumns

logger = logging.getLogger(__name__)

PAIRS = (c.POSITION, c.USER_ID, c.MOVIE_ID)


@dataclass(frozen=True)
class Planned:
    """A piece of a request.

    Attributes:
        piece: What to read.
        kinds: Whether ids are read as text: those of the run are, or some of the request are no
            whole numbers.
        first: Position of the piece's first pair in the whole request.
        num_pairs: Its pairs.
    """

    piece: Piece
    kinds: Kinds
    first: int = 0
    num_pairs: int = 0


@dataclass(frozen=True)
class _Counts:
    num_pairs: int = 0
    num_lines: int = 0
    num_bad: int = 0
    samples: list[BadRow] = field(default_factory=list)
    has_text: Kinds = (False, False)


def plan_pieces(
    spark: SparkSession, path: str, columns: PairColumns, kinds: Kinds = (False, False)
) -> list[Planned]:
    """Return the pieces of all files, in order; none of them has a pair if there are none.

    Everything is read once here, so that bad rows are reported before any work is done. An id of
    another form than those of the run is unknown, and no error.

    Args:
        spark: The session whose tasks read.
        path: A file, a folder or a glob.
        columns: Names of the user column and the movie column.
        kinds: Whether the ids of the run are text.

    Raises:
        DataError: There is no file, no such column, or rows have no ids (the message gives their
            count, and three samples with file and line).
    """
    require_pair_files(path)
    pieces = list(split_files(list_sources(path), columns, kinds))
    found = []
    if pieces:
        found = spread(spark, pieces, len(pieces)).map(lambda one: _check(one, kinds)).collect()
    num_bad = sum(one.num_bad for one in found)
    if num_bad:
        raise describe_bad(path, num_bad, _show(pieces, found), columns, kinds)
    wider = tuple(kind or any(one.has_text[at] for one in found) for at, kind in enumerate(kinds))
    if wider != kinds:
        logger.warning("score_pairs: %s has ids that are no whole numbers: unknown", path)
    planned, first = [], 0
    for piece, one in zip(pieces, found, strict=True):
        planned.append(Planned(piece, (wider[0], wider[1]), first, one.num_pairs))
        first += one.num_pairs
    if first == 0:
        logger.warning("score_pairs: %s has no pairs, so the output has no rows", path)
    return planned


def require_pair_files(path: str) -> None:
    """Raise a DataError if a path, a folder or a glob names no file."""
    if not storage.list_files(path):
        found = f"no such file{storage.start_of(path)}"
        raise DataError(
            describe(path, found=found, expected="pairs to score", remedy="Name another file.")
        )


def read_pairs(planned: Planned) -> tuple[Ids, Ids]:
    """Return the user and movie ids of a piece. Runs inside a task."""
    found = list(read_piece(planned.piece, planned.kinds))
    return (
        concatenate_ids([one.users for one in found]),
        concatenate_ids([one.movies for one in found]),
    )


def to_batch(planned: Planned, users: Ids, movies: Ids) -> pa.RecordBatch:
    """Return the columns `PAIRS`: position and raw ids, which are int64 or text."""
    positions = pa.array(range(planned.first, planned.first + len(users)), pa.int64())
    return pa.RecordBatch.from_arrays([positions, to_column(users), to_column(movies)], list(PAIRS))


def _check(piece: Piece, kinds: Kinds) -> _Counts:
    total = _Counts()
    for one in read_piece(piece, kinds):
        samples = [BadRow(total.num_lines + x.row, x.text) for x in one.bad[:NUM_SAMPLES]]
        total = dataclasses.replace(
            total,
            num_pairs=total.num_pairs + len(one.users),
            num_lines=total.num_lines + one.num_lines,
            num_bad=total.num_bad + len(one.bad),
            samples=[*total.samples, *samples][:NUM_SAMPLES],
            has_text=(
                total.has_text[0] or one.has_text[0],
                total.has_text[1] or one.has_text[1],
            ),
        )
    return total


def _show(pieces: list[Piece], found: list[_Counts]) -> list[str]:
    """Return rows that are no pairs, each as `file:line: 'text'`; lines count from 1."""
    shown, name, line = [], "", 1
    for piece, one in zip(pieces, found, strict=True):
        line = line if piece.source.name == name else 1
        name = piece.source.name
        shown += [f"{name}:{line + x.row}: {x.text!r}" for x in one.samples]
        line += one.num_lines
    return shown
