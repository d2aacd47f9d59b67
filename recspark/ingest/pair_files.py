"""Files of raw (user, movie) pairs, Parquet or text, in pieces that are read independently."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn

import pyarrow as pa
import pyarrow.parquet as pq

from recspark.errors import DataError, describe
from recspark.files import storage
from recspark.ingest.pairs import BadRow, Kinds, PairColumns, Pairs, TimeSettings, make_pairs
from recspark.ingest.pairs_text import Dialect, parse_range, read_dialect
from recspark.tables.raw_ids import is_id_type
from recspark.tables.time_formats import TimeFormat, is_date_type
from recspark.text.kinds import PARQUET
from recspark.text.names import is_about
from recspark.text.ranges import Range, plan_ranges
from recspark.text.sources import Source, damaged, open_raw, read_start

# Text that one task parses (bytes).
RANGE_BYTES = 16 * 1024 * 1024
_SAMPLE_ROWS = 1_000  # of Parquet, which show how times are written
NUM_SAMPLES = 3


@dataclass(frozen=True)
class Piece:
    """One row group of a Parquet file, or one byte range of text."""

    source: Source
    columns: PairColumns
    row_group: int | None = None
    time_format: TimeFormat | None = None
    """Of the row group, if times matter."""
    text: tuple[Range, Dialect] | None = None


def list_sources(path: str) -> list[Source]:
    """Return the files of a path, a folder or a glob, without empty ones and READMEs."""
    files = [one for one in storage.list_files(path) if one.path == path or not is_about(one.path)]
    return [Source.of(one) for one in files if one.size]


def split_files(sources: Sequence[Source], columns: PairColumns, kinds: Kinds) -> Iterator[Piece]:
    """Yield the pieces of files, in order.

    Args:
        sources: The files.
        columns: Names of the columns.
        kinds: Whether the run's ids are text.

    Raises:
        DataError: A file has no such columns, or columns that cannot hold ids or times, or is
            damaged; or it is not clear how its times are written.
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
    """Yield the pairs of a piece. Memory: the piece, and 20 bytes per pair (more for text)."""
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
    columns = [_plain(table.column(name)) for name in names]
    yield make_pairs(columns, kinds, piece.time_format, _Rows(columns), table.num_rows)


def show_bad(name: str, line: int, row: BadRow) -> str:
    """Return a row that is not a pair as `file:line: 'text'`, with its reason if it has one.

    Args:
        name: The file.
        line: The line of the file's row 0.
        row: The row.
    """
    return f"{name}:{line + row.row}: {row.text!r}" + (f" ({row.reason})" if row.reason else "")


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
    found, expected = "rows without two ids", f"{what} for user and movie"
    remedy = f"Correct the file, or name its columns with {user} and {movie}."
    if columns.time is not None:
        found += ", or with a time that is none"
        expected += ", and a time, or nothing for no particular moment"
        column, form = columns.time.settings
        remedy = (
            f"Correct the file, or name its columns with {user}, {movie} and {column}, and the "
            f"form of its times with {form}."
        )
    samples = "; ".join(shown[:NUM_SAMPLES])
    return DataError(
        describe(name, found=f"{num_bad:,} {found} ({samples})", expected=expected, remedy=remedy)
    )


class _Rows(Sequence[BadRow]):
    """The rows of a Parquet piece, made only where one is looked at."""

    def __init__(self, columns: Sequence[pa.Array]) -> None:
        self._columns = columns

    def __len__(self) -> int:
        return len(self._columns[0])

    def __getitem__(self, row: int) -> BadRow:  # type: ignore[override]
        return BadRow(row, ",".join(str(column[row].as_py()) for column in self._columns))


def _split_parquet(source: Source, columns: PairColumns) -> Iterator[Piece]:
    with open_raw(source) as file:
        try:
            parquet = pq.ParquetFile(file)
        except (pa.ArrowInvalid, OSError) as error:
            raise damaged(source.name, "Parquet file", error) from error
        names = _find(source, parquet.schema_arrow, columns)
        time_format = None
        if columns.time is not None:
            time_format = _settle_times(source, parquet, names[2], columns.time)
        for number in range(parquet.metadata.num_row_groups):
            yield Piece(source, columns, row_group=number, time_format=time_format)


def _settle_times(
    source: Source, parquet: pq.ParquetFile, name: str, time: TimeSettings
) -> TimeFormat:
    """Return the format of the times of a Parquet file, which its first rows show."""
    batches = parquet.iter_batches(_SAMPLE_ROWS, columns=[name])
    kind = parquet.schema_arrow.field(name).type
    return time.settle(next((one.column(0) for one in batches), pa.array([], kind)), source.name)


def _find(source: Source, schema: pa.Schema, columns: PairColumns) -> list[str]:
    """Return the names of the two columns of a Parquet file, and of its times if they matter."""

    def refuse(found: str, expected: str, settings: Sequence[str]) -> NoReturn:
        remedy = f"Name the columns with {' and '.join(settings)}."
        raise DataError(describe(source.name, found=found, expected=expected, remedy=remedy))

    kinds, settings = schema.types, columns.settings
    found, time = columns.find(schema.names), columns.find_time(schema.names)
    if found is None:
        expected = f"{columns.user or 'a user'} and {columns.movie or 'a movie'}"
        refuse(f"columns {schema.names}", expected, settings)
    for at in found:
        if not is_id_type(kinds[at]):
            refuse(f"a column of {kinds[at]} for ids", "whole numbers or text", settings)
    if columns.time is None:
        return [schema.names[at] for at in found]
    if time is None:
        refuse(f"columns {schema.names}", columns.time.column, columns.time.settings[:1])
    if not (is_id_type(kinds[time]) or is_date_type(kinds[time])):
        expected = "dates, timestamps, numbers or text"
        refuse(f"a column of {kinds[time]} for times", expected, columns.time.settings[:1])
    return [schema.names[at] for at in (*found, time)]


def _plain(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.unify_dictionaries().chunks or [pa.array([], column.type)])
