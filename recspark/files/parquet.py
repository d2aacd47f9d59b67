"""Parquet data sets on any file system that fsspec and Spark both reach.

Nothing here imports pyspark at run time, so training processes can use it as well.
"""

from __future__ import annotations

import posixpath
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from recspark.contract.schemas import MOVIE, USER, IdTypes, Schema
from recspark.errors import SchemaError, describe
from recspark.files.storage import filesystem, full_path

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


_ARROW = {
    "STRING": pa.string(),
    "BIGINT": pa.int64(),
    "INT": pa.int32(),
    "DOUBLE": pa.float64(),
    "DATE": pa.date32(),
}


def parquet_files(path: str) -> list[str]:
    """Return the Parquet files of a data set as full paths, sorted, without hidden files."""
    fs, stripped = filesystem(path)
    names = [
        name
        for name in fs.find(stripped)
        if name.endswith(".parquet") and not posixpath.basename(name).startswith((".", "_"))
    ]
    return [full_path(fs, name, path) for name in sorted(names)]


@dataclass(frozen=True)
class RowGroup:
    """One row group of a Parquet file."""

    path: str
    number: int
    """Its position in the file, from 0."""
    of: int
    """Number of row groups in the file."""
    num_rows: int


def list_row_groups(path: str) -> list[RowGroup]:
    """Return the row groups of one Parquet file, read from its footer."""
    fs, stripped = filesystem(path)
    with fs.open(stripped, "rb") as file:
        footer = pq.ParquetFile(file).metadata
        return [
            RowGroup(path, number, footer.num_row_groups, footer.row_group(number).num_rows)
            for number in range(footer.num_row_groups)
        ]


def count_rows(path: str) -> int:
    """Return the number of rows of one Parquet file, read from its footer."""
    fs, stripped = filesystem(path)
    with fs.open(stripped, "rb") as file:
        return int(pq.ParquetFile(file).metadata.num_rows)


def read_batches(
    path: str, columns: Sequence[str], batch_rows: int = 262_144
) -> Iterator[pa.RecordBatch]:
    """Yield columns of all Parquet files under `path`, at most `batch_rows` rows at a time.

    For tasks that read files themselves. Yields nothing if the folder is missing. Memory: one row
    group's pages and one batch.
    """
    for name in parquet_files(path):
        fs, stripped = filesystem(name)
        with fs.open(stripped, "rb") as file:
            yield from pq.ParquetFile(file).iter_batches(batch_rows, columns=list(columns))


def write_dataset(frame: DataFrame, path: str, schema: Schema) -> None:
    """Write a DataFrame as the Parquet data set that `schema` describes.

    The contract's columns are selected and cast. A missing column is a SchemaError.
    """
    missing = sorted(set(schema.columns) - set(frame.columns))
    if missing:
        raise SchemaError(
            describe(
                f"writing {schema.name}",
                found=f"columns {sorted(frame.columns)}",
                expected=f"also {missing}",
                remedy="Select every column of the contract before writing.",
            )
        )
    chosen = frame.select(*(frame[name].cast(kind) for name, kind in schema.columns.items()))
    writer = chosen.write.mode("error")
    if schema.partition_by is not None:
        writer = writer.partitionBy(schema.partition_by)
    writer.parquet(path)


def write_table(table: pa.Table, path: str, schema: Schema) -> None:
    """Write a small table in the driver's memory as a data set of one file, without Spark.

    Args:
        table: The contract's columns, with types that can be cast to the contract's.
        path: The data set's folder; existing files are kept.
        schema: The contract, without a partition column.
    """
    fields = [pa.field(name, _ARROW[kind]) for name, kind in schema.columns.items()]
    name = f"part-{uuid.uuid4()}.parquet"
    fs, stripped = filesystem(posixpath.join(path, name))
    fs.makedirs(posixpath.dirname(stripped), exist_ok=True)
    with fs.open(stripped, "wb") as file:
        pq.write_table(table.select(list(schema.columns)).cast(pa.schema(fields)), file)


def read_dataset(spark: SparkSession, path: str, schema: Schema) -> DataFrame:
    """Return a stored data set with exactly the columns and types of its contract.

    Raw ids have the type that they are stored in.
    """
    resolved = schema.with_ids(stored_id_types(path, schema))
    return spark.read.schema(resolved.ddl).parquet(path).select(*schema.columns)


def stored_id_types(path: str, schema: Schema) -> IdTypes:
    """Return the types of raw ids in the files of a data set, BIGINT where there is no file."""
    names = {kind: name for name, kind in schema.columns.items() if kind in (USER, MOVIE)}
    files = parquet_files(path) if names else []
    if not files:
        return IdTypes()
    fs, stripped = filesystem(files[0])
    with fs.open(stripped, "rb") as file:
        stored = pq.ParquetFile(file).schema_arrow
    found = {
        kind: "BIGINT" if pa.types.is_integer(stored.field(name).type) else "STRING"
        for kind, name in names.items()
    }
    return IdTypes(found.get(USER, "BIGINT"), found.get(MOVIE, "BIGINT"))
