"""Files of raw (user, movie) pairs, Parquet or CSV, in pieces that tasks read independently."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

from recspark.cluster.tasks import spread
from recspark.errors import DataError, describe
from recspark.files import storage
from recspark.scoring import pairs_csv
from recspark.scoring.id_columns import PAIRS, BadRow, Pairs, read_ids
from recspark.text.ranges import Range, plan_ranges
from recspark.text.sources import Source

# Text that one task parses (bytes).
RANGE_BYTES = 16 * 1024 * 1024
NUM_SAMPLES = 3

_REMEDY = "Correct the file, or name its columns with score_pairs.user_column and .movie_column."


@dataclass(frozen=True)
class Piece:
    """One row group of a Parquet file, or one byte range of a CSV."""

    path: str
    row_group: int | None
    text: tuple[Range, pairs_csv.Dialect] | None
    columns: tuple[str, str]
    """Names of the user column and the movie column."""
    first: int = 0
    """Position of the piece's first pair in the whole request."""
    num_pairs: int = 0


@dataclass(frozen=True)
class _Counts:
    num_pairs: int = 0
    num_lines: int = 0
    num_bad: int = 0
    samples: list[BadRow] = field(default_factory=list)


def plan_pieces(spark: SparkSession, path: str, columns: tuple[str, str]) -> list[Piece]:
    """Return the pieces of all files, in order, each with the position where it begins.

    Everything is read once here, so that bad rows are reported before any work is done.

    Args:
        spark: The session whose tasks read.
        path: A file, a folder or a glob; files whose name ends in .parquet are Parquet.
        columns: Names of the user column and the movie column.

    Raises:
        DataError: There is no file, no pair, no such column, or rows hold no whole numbers (the
            message gives their count, and three samples with file and line).
    """
    require_pair_files(path)
    pieces = list(_split(path, columns))
    found = spread(spark, pieces, len(pieces)).map(_check_piece).collect() if pieces else []
    num_bad = sum(one.num_bad for one in found)
    if num_bad:
        shown = [
            f"{piece.path}:{line + row.row}: {row.text!r}"
            for piece, line, one in zip(pieces, _first_lines(pieces, found), found, strict=True)
            for row in one.samples
        ]
        raise DataError(
            describe(
                path,
                found=f"{num_bad:,} rows without two ids ({'; '.join(shown[:NUM_SAMPLES])})",
                expected="whole numbers for user and movie",
                remedy=_REMEDY,
            )
        )
    planned, first = [], 0
    for piece, one in zip(pieces, found, strict=True):
        planned.append(
            Piece(piece.path, piece.row_group, piece.text, columns, first, one.num_pairs)
        )
        first += one.num_pairs
    if first == 0:
        raise DataError(
            describe(
                path,
                found="no pairs",
                expected="at least one to score",
                remedy="Name another file.",
            )
        )
    return planned


def require_pair_files(path: str) -> None:
    """Raise a DataError if a path, a folder or a glob names no file."""
    if not storage.list_files(path):
        raise DataError(
            describe(
                path, found="no such file", expected="pairs to score", remedy="Name another file."
            )
        )


def read_pairs(piece: Piece) -> pa.RecordBatch:
    """Return `PAIRS` of a piece. Runs inside a task. Memory: 24 bytes per pair."""
    users, movies = zip(*((one.users, one.movies) for one in _read(piece)), strict=True)
    columns = [pa.concat_arrays(users), pa.concat_arrays(movies)]
    positions = pa.array(range(piece.first, piece.first + len(columns[0])), pa.int64())
    return pa.RecordBatch.from_arrays([positions, *columns], schema=PAIRS)


def _split(path: str, columns: tuple[str, str]) -> Iterator[Piece]:
    for file in storage.list_files(path):
        if not file.path.endswith(".parquet"):
            dialect = pairs_csv.read_dialect(file.path, columns)
            for ranges in plan_ranges([Source.of(file)], RANGE_BYTES):
                for one in ranges:
                    yield Piece(file.path, None, (one, dialect), columns)
            continue
        fs, stripped = storage.filesystem(file.path)
        with fs.open(stripped, "rb") as opened:
            parquet = pq.ParquetFile(opened)
            missing = [name for name in columns if name not in parquet.schema_arrow.names]
            if missing:
                raise DataError(
                    describe(
                        file.path,
                        found=f"columns {parquet.schema_arrow.names}",
                        expected=f"also {missing}",
                        remedy=_REMEDY,
                    )
                )
            for number in range(parquet.metadata.num_row_groups):
                yield Piece(file.path, number, None, columns)


def _read(piece: Piece) -> Iterator[Pairs]:
    if piece.text is not None:
        yield from pairs_csv.parse_range(*piece.text)
        return
    fs, stripped = storage.filesystem(piece.path)
    with fs.open(stripped, "rb") as opened:
        table = pq.ParquetFile(opened).read_row_group(piece.row_group, list(piece.columns))
    yield read_ids(*(table.column(name).combine_chunks() for name in piece.columns))


def _check_piece(piece: Piece) -> _Counts:
    num_pairs = num_lines = num_bad = 0
    samples: list[BadRow] = []
    for one in _read(piece):
        num_pairs += len(one.users)
        samples += [BadRow(num_lines + row.row, row.text) for row in one.bad[:NUM_SAMPLES]]
        num_lines += one.num_lines
        num_bad += len(one.bad)
    return _Counts(num_pairs, num_lines, num_bad, samples[:NUM_SAMPLES])


def _first_lines(pieces: list[Piece], found: list[_Counts]) -> list[int]:
    """Return the line (from 1) or row of the file at which each piece begins."""
    firsts, path, line = [], "", 1
    for piece, one in zip(pieces, found, strict=True):
        line = line if piece.path == path else 1
        path = piece.path
        firsts.append(line)
        line += one.num_lines
    return firsts
