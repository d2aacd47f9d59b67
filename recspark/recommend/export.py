"""Lists as one text file: CSV or JSON lines, with the rows and columns of the Parquet files."""

from __future__ import annotations

import json
import posixpath
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from recspark.contract import columns as c
from recspark.files import parquet, storage

_BATCH_ROWS = 65_536
_COMPACT = (",", ":")
# What a spreadsheet takes for the start of a formula.
_FORMULA = r"^([=+\-@\t\r])"


def export_lists(source: str, columns: list[str], folder: str, form: str) -> int:
    """Write `lists.csv` or `lists.jsonl`, rows in the order of the files, and return their number.

    Numbers are written with as few digits as tell them apart in Parquet. In CSV, reasons are a text
    of JSON, which is also what JSON lines have, and a title that a spreadsheet would take for a
    formula begins with an apostrophe. Ids are as they are in the data. Memory: one batch of rows.

    Args:
        source: The data set of lists.
        columns: Its columns.
        folder: Where to write; it is created.
        form: `csv` or `jsonl`.
    """
    write = {"csv": _write_csv, "jsonl": _write_json_lines}[form]
    fs, stripped = storage.filesystem(posixpath.join(folder, f"lists.{form}"))
    fs.makedirs(posixpath.dirname(stripped), exist_ok=True)
    with fs.open(stripped, "wb") as file:
        num_rows = 0
        for batch in parquet.read_batches(source, columns, _BATCH_ROWS):
            write(batch, file, num_rows == 0)
            num_rows += batch.num_rows
        if num_rows == 0 and form == "csv":
            file.write((",".join(f'"{name}"' for name in columns) + "\n").encode())
    return num_rows


def _write_csv(batch: pa.RecordBatch, file: IO[bytes], with_header: bool) -> None:
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    if c.REASONS in columns:
        texts = [_to_json(reasons) for reasons in _plain(columns[c.REASONS]).to_pylist()]
        columns[c.REASONS] = pa.array(texts, pa.string())
    if c.TITLE in columns:
        columns[c.TITLE] = pc.replace_substring_regex(columns[c.TITLE], _FORMULA, r"'\1")
    text = pa.RecordBatch.from_pydict(columns)
    pa_csv.write_csv(text, file, pa_csv.WriteOptions(include_header=with_header))


def _write_json_lines(batch: pa.RecordBatch, file: IO[bytes], _: bool) -> None:
    plain = pa.RecordBatch.from_arrays([_plain(one) for one in batch.columns], batch.schema.names)
    file.write("".join(f"{_to_json(row)}\n" for row in plain.to_pylist()).encode())


def _plain(column: pa.Array) -> pa.Array:
    """Return a column whose single-precision numbers are the doubles of the same short text."""
    if pa.types.is_float32(column.type):
        return pc.cast(pc.cast(column, pa.string()), pa.float64())
    if not pa.types.is_list(column.type):
        return column
    ids, values = column.flatten().flatten()
    fields = pa.StructArray.from_arrays([ids, _plain(values)], [c.MOVIE_ID, c.CONTRIBUTION])
    starts = pc.subtract(column.offsets, column.offsets[0])
    return pa.ListArray.from_arrays(starts, fields)


def _to_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=_COMPACT)
