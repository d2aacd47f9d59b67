"""Tables in Parquet files. A range is a range of rows; rejects number rows as lines, from 1."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.parquet as pq

from recspark.arrays.packing import pack
from recspark.tables.parsed import Parsed, Reject
from recspark.tables.values import RowRules, collect, fill_constants
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
        names: The column of each role, by the name of the file; nested ones have dots.
        constants: The value of roles that a file does not hold but its folder does, by its name.
        rules: How values are read, the same as in text.
    """

    names: dict[str, dict[str, str]]
    constants: dict[str, dict[str, str]]
    rules: RowRules

    def as_text(self, user: bool, movie: bool) -> ParquetTable:
        """Return the same table with ids read as text."""
        return replace(self, rules=self.rules.as_text(user, movie))

    def read(self, one: Range) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Yield (position of the first row in the file, rows) of a range, with a column a role.

        Raises:
            DataError: A page of the file is damaged.
        """
        names = self.names[one.source.name]
        with open_raw(one.source) as raw:
            file = _open(raw, one.source)
            first = 0
            for number in range(file.metadata.num_row_groups):
                num_rows = file.metadata.row_group(number).num_rows
                if one.start <= first < one.end:
                    position = first
                    try:
                        for batch in file.iter_batches(BATCH_ROWS, [number], list(names.values())):
                            yield position, self._pick(batch, one.source.name)
                            position += batch.num_rows
                    except (pa.ArrowInvalid, OSError) as error:
                        raise damaged(one.source.name, "Parquet file", error) from error
                first += num_rows

    def _pick(self, batch: pa.RecordBatch, source: str) -> pa.RecordBatch:
        columns = {role: find_column(batch, name) for role, name in self.names[source].items()}
        fill_constants(columns, self.constants[source], batch.num_rows)
        return pa.RecordBatch.from_arrays(list(columns.values()), list(columns))

    def parse(self, batch: pa.RecordBatch, movie: int | None = None) -> Parsed:
        """Return the ratings and refused rows of a batch with a column for each role."""
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        ratings, num_unrated, num_untimed, problems = collect(self.rules.read(columns), self.rules)
        parsed = Parsed(
            ratings,
            num_lines=batch.num_rows,
            num_headers=0,
            num_blanks=0,
            movie=None,
            num_unrated=num_unrated,
            num_untimed=num_untimed,
        )
        for row, reason in sorted(problems.items()):
            text = ",".join(_text(column[row].as_py()) for column in batch.columns)
            parsed.refuse(Reject(row, row, text, reason))
        return parsed


def list_columns(schema: pa.Schema, prefix: str = "") -> dict[str, pa.DataType]:
    """Return the types of all columns by name; those inside a struct have names with dots."""
    found: dict[str, pa.DataType] = {}
    for item in schema:
        if pa.types.is_struct(item.type):
            inside = pa.schema([item.type.field(n) for n in range(item.type.num_fields)])
            found |= list_columns(inside, f"{prefix}{item.name}.")
        else:
            found[prefix + item.name] = item.type
    return found


def find_column(batch: pa.RecordBatch, name: str) -> pa.Array:
    """Return a column of a batch; a name with dots leads into structs."""
    if name in batch.schema.names:
        return batch.column(name)
    first, *rest = name.split(".")
    column = batch.column(first)
    for part in rest:
        column = column.flatten()[column.type.get_field_index(part)]  # a null struct has nulls
    return column


def _open(file: object, source: Source) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(file)
    except (pa.ArrowInvalid, OSError) as error:
        raise damaged(source.name, "Parquet file", error) from error


def _text(value: object) -> str:
    if value is None:
        return ""
    # pandas stores an integer column with missing values as floats.
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)
