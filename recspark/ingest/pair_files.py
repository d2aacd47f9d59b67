"""Files of raw (user, movie) pairs, Parquet or text, in pieces that are read independently."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from recspark.errors import DataError, describe
from recspark.files import storage
from recspark.ingest.pairs import BadRow, Kinds, PairColumns, Pairs, make_pairs
from recspark.ingest.pairs_text import Dialect, parse_range, read_dialect
from recspark.tables.raw_ids import is_id_type
from recspark.text.kinds import PARQUET
from recspark.text.names import is_about
from recspark.text.ranges import Range, plan_ranges
from recspark.text.sources import Source, damaged, open_raw, read_start

# Text that one task parses (bytes).
RANGE_BYTES = 16 * 1024 * 1024
NUM_SAMPLES = 3


@dataclass(frozen=True)
class Piece:
    """One row group of a Parquet file, or one byte range of text."""

    source: Source
    columns: PairColumns
    row_group: int | None = None
    text: tuple[Range, Dialect] | None = None


def list_sources(path: str) -> list[Source]:
    """Return the files of a path, a folder or a glob, without empty ones and READMEs."""
    files = [one for one in storage.list_files(path) if one.path == path or not is_about(one.path)]
    return [Source.of(one) for one in files if one.size]


def split_files(sources: Sequence[Source], columns: PairColumns, kinds: Kinds) -> Iterator[Piece]:
    """Yield the pieces of files, in order.

    Args:
        sources: The files.
        columns: Names of the user column and the movie column.
        kinds: Whether the run's ids are text.

    Raises:
        DataError: A file has no such columns, or columns that cannot hold ids, or is damaged.
    """
    for source in sources:
        if read_start(source).startswith(PARQUET):
            yield from _split_parquet(source, columns)
            continue
        dialect = read_dialect(source, columns, kinds)
        step = source.size if dialect.is_probe else RANGE_BYTES
        for ranges in plan_ranges([source], step):
            for one in ranges:
                yield Piece(source, columns, text=(one, dialect))


def read_piece(piece: Piece, kinds: Kinds) -> Iterator[Pairs]:
    """Yield the pairs of a piece. Memory: the piece, and 16 bytes per pair (more for text)."""
    if piece.text is not None:
        yield from parse_range(*piece.text, kinds)
        return
    with open_raw(piece.source) as file:
        try:
            parquet = pq.ParquetFile(file)
            names = _find(piece.source, parquet.schema_arrow, piece.columns)
            table = parquet.read_row_group(piece.row_group, names)
        except (pa.ArrowInvalid, OSError) as error:
            raise damaged(piece.source.name, "Parquet file", error) from error
    users, movies = (_plain(table.column(name)) for name in names)
    rows = _Rows(users, movies)
    yield make_pairs(users, movies, kinds, rows, table.num_rows)


def describe_bad(
    name: str, num_bad: int, shown: Sequence[str], columns: PairColumns, kinds: Kinds
) -> DataError:
    """Return the error for rows that are not pairs.

    Args:
        name: The file, folder or glob.
        num_bad: Their number.
        shown: Some of them, each as `file:line: 'text'`.
        columns: The settings that name the columns.
        kinds: Whether the run's ids are text.
    """
    what = "text" if all(kinds) else "ids" if any(kinds) else "whole numbers"
    user, movie = columns.settings
    return DataError(
        describe(
            name,
            found=f"{num_bad:,} rows without two ids ({'; '.join(shown[:NUM_SAMPLES])})",
            expected=f"{what} for user and movie",
            remedy=f"Correct the file, or name its columns with {user} and {movie}.",
        )
    )


class _Rows(Sequence[BadRow]):
    """The rows of a Parquet piece, made only where one is looked at."""

    def __init__(self, users: pa.Array, movies: pa.Array) -> None:
        self._users, self._movies = users, movies

    def __len__(self) -> int:
        return len(self._users)

    def __getitem__(self, row: int) -> BadRow:  # type: ignore[override]
        return BadRow(row, f"{self._users[row].as_py()},{self._movies[row].as_py()}")


def _split_parquet(source: Source, columns: PairColumns) -> Iterator[Piece]:
    with open_raw(source) as file:
        try:
            parquet = pq.ParquetFile(file)
        except (pa.ArrowInvalid, OSError) as error:
            raise damaged(source.name, "Parquet file", error) from error
        _find(source, parquet.schema_arrow, columns)
        for number in range(parquet.metadata.num_row_groups):
            yield Piece(source, columns, row_group=number)


def _find(source: Source, schema: pa.Schema, columns: PairColumns) -> list[str]:
    """Return the names of the two columns of a Parquet file."""
    found, settings = columns.find(schema.names), " and ".join(columns.settings)
    remedy = f"Name the columns with {settings}."
    if found is None:
        raise DataError(
            describe(
                source.name,
                found=f"columns {schema.names}",
                expected=f"{columns.user or 'a user'} and {columns.movie or 'a movie'}",
                remedy=remedy,
            )
        )
    for at in found:
        if not is_id_type(schema.field(at).type):
            raise DataError(
                describe(
                    source.name,
                    found=f"a column of {schema.field(at).type} for ids",
                    expected="whole numbers or text",
                    remedy=remedy,
                )
            )
    return [schema.names[at] for at in found]


def _plain(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.unify_dictionaries().chunks or [pa.array([], column.type)])
