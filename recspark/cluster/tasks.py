"""Work spread over Spark tasks as plain Python items, and files that tasks write by themselves.

A task writes under a name that only its attempt has; the driver moves the files of the attempts
that counted into place once all tasks are through. A failed or speculative attempt never shows.
"""

from __future__ import annotations

import contextlib
import gc
import posixpath
import re
import sys
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import pyarrow as pa
import pyarrow.parquet as pq

from recspark.files import storage

if TYPE_CHECKING:
    from pyspark import RDD, Broadcast, SparkContext
    from pyspark.sql import SparkSession

Item = TypeVar("Item")
Shared = TypeVar("Shared")

_SPARK_ARCHIVE = re.compile(r"(pyspark\.zip|py4j-[0-9.]+-src\.zip|spark-core_[^/]+\.jar)(/|$)")
ATTEMPTS = "_attempts"
ROW_GROUP_ROWS = 1_000_000


@dataclass(frozen=True)
class PartFile:
    """A Parquet file that a task wrote: where it lies, where it belongs, and its rows."""

    written: str
    target: str
    num_rows: int


def spread(spark: SparkSession, items: Sequence[Item], num_tasks: int) -> RDD[Item]:
    """Return the items as an RDD of at most `num_tasks` partitions, neighbours kept together."""
    items_rdd = spark.sparkContext.parallelize(items, max(1, min(num_tasks, len(items))))
    return items_rdd.mapPartitions(_settle_in)


@contextlib.contextmanager
def broadcast(context: SparkContext, value: Shared) -> Iterator[Broadcast[Shared]]:
    """Give the value, sent once to every executor; afterwards nothing of it is left anywhere.

    Left to itself, pyspark would keep its file of the value for as long as the session lives.
    As bytes that Python packed before: where Spark encrypts what it sends, its stream asks for the
    length of what pickle writes, which large arrays written as they are do not have (seen in
    pyspark 3.5.9, `ChunkedStream.write`).
    """
    shared = cast("Broadcast[Shared]", context.broadcast(_Packed(value)))
    try:
        yield shared
    finally:
        shared.destroy()


@dataclass(frozen=True)
class _Packed:
    """Arrives as what it holds."""

    value: Any

    def __reduce__(self) -> tuple[Callable[[bytes], Any], tuple[bytes]]:
        from pyspark.serializers import CPickleSerializer

        serializer = CPickleSerializer()
        return serializer.loads, (serializer.dumps(self.value),)


def is_in_task() -> bool:
    """Return whether this process is a worker that runs a Spark task."""
    pyspark = sys.modules.get("pyspark")  # a worker has imported it
    return pyspark is not None and pyspark.TaskContext.get() is not None


def write_part(
    table: pa.Table,
    root: str,
    name: str,
    *,
    distinct: Collection[str] = (),
    close: Collection[str] = (),
    row_group_rows: int = ROW_GROUP_ROWS,
) -> PartFile:
    """Write a table as `<root>/<name>` from inside a task; it shows up at `commit_parts`.

    Args:
        table: The rows of the file.
        root: The data set's (staging) folder.
        name: Path below the root, e.g. `bucket=3/part-0.parquet`.
        distinct: Columns whose values seldom repeat: trying a dictionary on them costs half of
            the writing and is then given up.
        close: Columns of whole numbers within a narrow range, kept as differences: faster than a
            dictionary, and about as small.
        row_group_rows: Rows in a row group, at most.
    """
    batches = table.combine_chunks().to_batches(row_group_rows)
    return write_batches(batches, table.schema, root, name, distinct=distinct, close=close)


def write_batches(
    batches: Iterable[pa.RecordBatch],
    schema: pa.Schema,
    root: str,
    name: str,
    *,
    distinct: Collection[str] = (),
    close: Collection[str] = (),
) -> PartFile:
    """Write batches as `write_part` does a table; a row group is all that memory holds.

    Batches are taken as row groups, so they should be large (up to ROW_GROUP_ROWS).
    """
    written = posixpath.join(root, ATTEMPTS, uuid.uuid4().hex, posixpath.basename(name))
    fs, stripped = storage.filesystem(written)
    fs.makedirs(posixpath.dirname(stripped), exist_ok=True)
    num_rows = 0
    with (
        fs.open(stripped, "wb") as file,
        pq.ParquetWriter(
            file,
            schema,
            compression="snappy",
            use_dictionary=[name for name in schema.names if name not in {*distinct, *close}],
            column_encoding=dict.fromkeys(close, "DELTA_BINARY_PACKED"),
        ) as writer,
    ):
        for batch in batches:
            writer.write_batch(batch)
            num_rows += batch.num_rows
    return PartFile(written, posixpath.join(root, name), num_rows)


def commit_parts(parts: Iterable[PartFile], root: str) -> int:
    """Move the files of finished tasks to where they belong, drop all others; return the rows."""
    num_rows = 0
    for part in parts:
        storage.move(part.written, part.target)
        num_rows += part.num_rows
    storage.remove(posixpath.join(root, ATTEMPTS))
    return num_rows


def _settle_in(items: Iterable[Item]) -> Iterable[Item]:
    """Return the items, after sparing the worker what Spark repeats around each task.

    Spark puts its Python part on the path as zip files too, and a jar with them, and has importlib
    read their tables of contents before each task: 0.15 s, as much as a small task of ours takes.
    Without the package they stay. Spark also collects garbage after each task; what was imported
    so far is set apart from that.
    """
    installed = [name for name in ("pyspark", "py4j") if _is_folder_on_path(name)]
    if len(installed) == 2:
        sys.path[:] = [entry for entry in sys.path if not _SPARK_ARCHIVE.search(entry)]
        for entry in [one for one in sys.path_importer_cache if _SPARK_ARCHIVE.search(one)]:
            del sys.path_importer_cache[entry]
    if gc.get_freeze_count() == 0:
        gc.freeze()
    return items


def _is_folder_on_path(package: str) -> bool:
    return any(Path(entry, package).is_dir() for entry in sys.path)
