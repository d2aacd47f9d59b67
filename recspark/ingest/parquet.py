"""Tables in Parquet files. A range is a range of rows; rejects number rows as lines, from 1."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from recspark.arrays.packing import pack
from recspark.arrays.ratings import NO_RATINGS, Ratings
from recspark.ingest import parsed as r
from recspark.ingest.delimited import Delimited
from recspark.ingest.parsed import Parsed, Reject
from recspark.text.lines import MAX_ID
from recspark.text.ranges import Range
from recspark.text.sources import Source, damaged, open_raw

BATCH_ROWS = 64 * 1024


def read_schema(source: Source) -> pa.Schema:
    """Return the Arrow schema of a file.

    Raises:
        DataError: It is not a Parquet file, or it is damaged.
    """
    with open_raw(source) as file:
        return _open(file, source).schema_arrow


def is_day(kind: pa.DataType) -> bool:
    """Return whether a column holds dates or timestamps, as opposed to numbers or text."""
    return bool(pa.types.is_date(kind) or pa.types.is_timestamp(kind))


def plan_rows(sources: Sequence[Source], split_bytes: int) -> list[list[Range]]:
    """Return the ranges of rows for each task: whole row groups of about `split_bytes` in total."""
    ranges: list[Range] = []
    sizes: list[int] = []
    for source in sources:
        with open_raw(source) as file:
            found = _open(file, source).metadata
        first = 0
        for number in range(found.num_row_groups):
            group = found.row_group(number)
            if group.num_rows:
                ranges.append(Range(len(ranges), source, first, first + group.num_rows))
                sizes.append(group.total_byte_size)
            first += group.num_rows
    return [[ranges[i] for i in run] for run in pack(sizes, split_bytes)]


@dataclass(frozen=True)
class ParquetTable:
    """A mapping of columns.

    Attributes:
        names: Columns of user, movie, rating and, if there is one, time.
        layout: The rules for values that are not plain numbers or dates; the same as for text.
    """

    names: tuple[str, ...]
    layout: Delimited

    def read(self, one: Range) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Yield (position of the first row in the file, rows) of a range's row groups."""
        with open_raw(one.source) as raw:
            file = _open(raw, one.source)
            first = 0
            for number in range(file.metadata.num_row_groups):
                num_rows = file.metadata.row_group(number).num_rows
                if one.start <= first < one.end:
                    position = first
                    for batch in file.iter_batches(BATCH_ROWS, [number], list(self.names)):
                        yield position, self._pick(batch)
                        position += batch.num_rows
                first += num_rows

    def _pick(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        columns = [batch.column(name) for name in self.names]
        plain = [c.dictionary_decode() if pa.types.is_dictionary(c.type) else c for c in columns]
        return pa.RecordBatch.from_arrays(plain, list(self.names))

    def parse(self, batch: pa.RecordBatch, movie: int | None = None) -> Parsed:
        """Return the ratings and refused rows of a batch."""
        return self._parse_clean(batch) or self.parse_lines(batch)

    def parse_lines(self, batch: pa.RecordBatch, movie: int | None = None) -> Parsed:
        """Return the same as `parse`, row by row, treating each value as text."""
        values: list[tuple[int, int, float, int]] = []
        parsed = Parsed(
            NO_RATINGS, num_lines=batch.num_rows, num_headers=0, num_blanks=0, movie=None
        )
        for number, fields in enumerate(_texts(batch)):
            user, movie_id, rating, *time = (field.encode() for field in fields)
            value = self.layout.parse_fields(user, movie_id, rating, time[0] if time else None)
            if isinstance(value, str):
                parsed.rejects.append(Reject(number, number, ",".join(fields), value))
            else:
                values.append(value)
                parsed.row_lines.append(number)
        parsed.rows = Ratings.of(values)
        return parsed

    def locate(
        self, batch: pa.RecordBatch, movie: int | None, positions: list[int]
    ) -> list[Reject]:
        """Return the rows (without a reason) that made the ratings at these positions."""
        numbers, texts = self.parse_lines(batch).row_lines, _texts(batch)
        lines = (numbers[position] for position in positions)
        return [Reject(number, number, ",".join(texts[number]), "") for number in lines]

    def _parse_clean(self, batch: pa.RecordBatch) -> Parsed | None:
        if any(column.null_count for column in batch.columns):
            return None
        users, movies = (_integers(batch.column(position)) for position in (0, 1))
        ratings = batch.column(2)
        if not (pa.types.is_floating(ratings.type) or pa.types.is_integer(ratings.type)):
            return None
        numbers = ratings.to_numpy(zero_copy_only=False).astype(np.float64)
        days: npt.NDArray[np.int32] | None = np.zeros(batch.num_rows, np.int32)
        if len(self.names) > 3:
            days = self._days(batch.column(3))
        if users is None or movies is None or days is None or not self.layout.scale.holds(numbers):
            return None
        return Parsed(
            rows=Ratings(users, movies, numbers.astype(np.float32), days),
            num_lines=batch.num_rows,
            num_headers=0,
            num_blanks=0,
            movie=None,
        )

    def _days(self, column: pa.Array) -> npt.NDArray[np.int32] | None:
        if is_day(column.type):
            days = _day_numbers(column)
            fits = not len(days) or (days.min() >= r.FIRST_DAY and days.max() <= r.LAST_DAY)
            return days.astype(np.int32) if fits else None
        if column.type != self.layout.time_format.arrow_type:
            return None
        return self.layout.time_format.days(pa.chunked_array([column]))


def _open(file: object, source: Source) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(file)
    except pa.ArrowInvalid as error:
        raise damaged(source.name, "Parquet file", error) from error


def _integers(column: pa.Array) -> npt.NDArray[np.int32] | None:
    """Return ids as 32-bit integers; None if a value is not an id or the type is not integer."""
    if not pa.types.is_integer(column.type):
        return None
    values = column.to_numpy(zero_copy_only=False)
    if len(values) and not (values.min() >= 1 and values.max() <= MAX_ID):
        return None
    return values.astype(np.int32)


def _day_numbers(column: pa.Array) -> npt.NDArray[np.int64]:
    """Return days since 1970-01-01 of dates or timestamps (with a time zone: the day in UTC)."""
    values = column.to_numpy(zero_copy_only=False)
    return values.astype("M8[D]").astype(np.int64)


def _texts(batch: pa.RecordBatch) -> list[tuple[str, ...]]:
    """Return each row's values as text: null is empty, dates and timestamps are ISO dates."""
    columns = []
    for column in batch.columns:
        if is_day(column.type):
            days = column.to_numpy(zero_copy_only=False).astype("M8[D]")
            columns.append(days.astype(str).tolist())
        else:
            columns.append([_text(value) for value in column.to_pylist()])
    return list(zip(*columns, strict=True))


def _text(value: object) -> str:
    if value is None:
        return ""
    # pandas stores an integer column with missing values as floats.
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)
