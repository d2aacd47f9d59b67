"""Distributes plain Python items over Spark tasks, and lets tasks write files themselves.

Each task attempt writes under its own name, beside the data set. Once all tasks have finished, the
driver moves the files of the successful attempts into place. Files of failed or speculative
attempts never appear, even if such an attempt is still writing.
"""

from __future__ import annotations

import contextlib
import gc
import posixpath
import re
import sys
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import pyarrow as pa
import pyarrow.parquet as pq

from recspark.files import storage
from recspark.files.sums import FileSum, SummingFile

if TYPE_CHECKING:
    from pyspark import RDD, Broadcast, SparkContext
    from pyspark.sql import SparkSession

Item = TypeVar("Item")
Shared = TypeVar("Shared")

_SPARK_ARCHIVE = re.compile(r"(pyspark\.zip|py4j-[0-9.]+-src\.zip|spark-core_[^/]+\.jar)(/|$)")
ATTEMPTS = ".attempts"
"""What follows the name of a data set's folder in that of the folder of its tasks' attempts."""
ROW_GROUP_ROWS = 1_000_000


@dataclass(frozen=True)
class PartFile:
    """A Parquet file that a task wrote: its path now, its final path, its rows and its sum."""

    written: str
    target: str
    num_rows: int
    sum: FileSum


def spread(spark: SparkSession, items: Sequence[Item], num_tasks: int) -> RDD[Item]:
    """Return the items as an RDD of at most `num_tasks` partitions of consecutive items."""
    items_rdd = spark.sparkContext.parallelize(items, max(1, min(num_tasks, len(items))))
    return items_rdd.mapPartitions(_prepare_worker)


@contextlib.contextmanager
def broadcast(context: SparkContext, value: Shared) -> Iterator[Broadcast[Shared]]:
    """Yield the value as a broadcast to every executor, and remove it everywhere afterwards.

    Without that, pyspark would keep its file of the value until the session ends. The value is
    pickled to bytes first: if Spark encrypts broadcasts, its stream asks for the length of what
    pickle writes, and the raw buffers of large arrays have none (seen in pyspark 3.5.9,
    `ChunkedStream.write`).
    """
    shared = cast("Broadcast[Shared]", context.broadcast(_Pickled(value)))
    try:
        yield shared
    finally:
        shared.destroy()


@dataclass(frozen=True)
class _Pickled:
    """Unpickles as the value that it holds."""

    value: Any

    def __reduce__(self) -> tuple[Callable[[bytes], Any], tuple[bytes]]:
        from pyspark.serializers import CPickleSerializer

        serializer = CPickleSerializer()
        return serializer.loads, (serializer.dumps(self.value),)


def is_in_task() -> bool:
    """Return whether this process is a worker that is running a Spark task."""
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
    """Write a table as `<root>/<name>` from inside a task; it appears after `commit_parts`.

    Args:
        table: The rows of the file.
        root: The data set's (staging) folder.
        name: Path below the root, e.g. `bucket=3/part-0.parquet`.
        distinct: Columns whose values seldom repeat. For these a dictionary would be tried and
            given up, which takes half of the writing time.
        close: Columns of whole numbers within a narrow range, stored as differences: faster than a
            dictionary, and about as small.
        row_group_rows: Maximum number of rows in a row group.
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
    """Write batches as `write_part` writes a table, with one row group in memory at a time.

    Each batch becomes a row group, so batches should be large (up to ROW_GROUP_ROWS).
    """
    written = posixpath.join(root + ATTEMPTS, uuid.uuid4().hex, posixpath.basename(name))
    fs, stripped = storage.filesystem(written)
    fs.makedirs(posixpath.dirname(stripped), exist_ok=True)
    num_rows = 0
    with (
        fs.open(stripped, "wb") as file,
        SummingFile(file) as summed,
        pq.ParquetWriter(
            summed,
            schema,
            compression="snappy",
            use_dictionary=[name for name in schema.names if name not in {*distinct, *close}],
            column_encoding=dict.fromkeys(close, "DELTA_BINARY_PACKED"),
        ) as writer,
    ):
        for batch in batches:
            writer.write_batch(batch)
            num_rows += batch.num_rows
    return PartFile(written, posixpath.join(root, name), num_rows, summed.sum)


def sums_of(parts: Iterable[PartFile]) -> Mapping[str, FileSum]:
    """Return the sums of part files by final path, for `Step.publish`: they need no reading."""
    return {part.target: part.sum for part in parts}


def commit_parts(parts: Iterable[PartFile], root: str) -> int:
    """Move the files of finished tasks into place, delete all others, and return the row count.

    What a losing attempt writes meanwhile may stay; the step that owns the data set clears it.
    """
    num_rows = 0
    for part in parts:
        storage.move(part.written, part.target)
        num_rows += part.num_rows
    storage.discard(root + ATTEMPTS)
    return num_rows


def _prepare_worker(items: Iterable[Item]) -> Iterable[Item]:
    """Return the items, after removing work that Spark repeats around each task.

    Spark puts zip files of its Python part and a jar on sys.path, and importlib reads their tables
    of contents before each task. That takes 0.15 s, as long as a small task here. They are removed
    if pyspark is also installed as a package. Spark also collects garbage after each task; the
    modules imported so far are excluded from that.
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
