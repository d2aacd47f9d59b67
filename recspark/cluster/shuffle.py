"""A shuffle of blocks of rows between tasks.

Spark's own shuffle would move every row through pickles and sockets. Here a task sends one Arrow
record batch for each key, and the task of a key receives them in the order of their senders. Two
carriers bring the batches there:

- Where the run directory is on a disk that all nodes see, files: each task writes one Arrow IPC
  file, and a receiver maps its own batch of every file into memory. That is faster, needs no memory
  of the JVM, and a lost executor loses no block. Each task attempt writes its own
  file, and only those of finished tasks are read.
- On an object store or HDFS, where opening many small parts is slow, Spark's shuffle.
"""

from __future__ import annotations

import posixpath
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa

from recspark.cluster.arrow_blocks import Block
from recspark.cluster.tasks import spread
from recspark.errors import DataError, describe
from recspark.files import storage

if TYPE_CHECKING:
    from pyspark import RDD
    from pyspark.sql import SparkSession

Item = TypeVar("Item")
Received = tuple[int, Iterator[pa.RecordBatch]]
"""A key and its batches, in the order of their partitions."""

SHUFFLE_FOLDER = "_exchange"
"""Folder of these files, in the (staging) folder of the data set that is being made."""


def shuffle(
    spark: SparkSession,
    rows: RDD[Block],
    num_keys: int,
    reduce: Callable[[int, Iterator[pa.RecordBatch]], Item],
    root: str,
) -> list[Item]:
    """Bring the rows of each key together and return `reduce` of each key, in the keys' order.

    Args:
        spark: The session.
        rows: Blocks with keys from 0 to num_keys-1; the cost is per block, not per row. A key
            without rows is reduced as well.
        num_keys: Number of keys; each gets its own task.
        reduce: Maps a key and its batches to the key's result.
        root: Folder of the data set that is being made: its file system chooses the carrier, and
            temporary files go there.
    """
    grouped = group(spark, rows, num_keys, root)
    results = grouped.map(lambda received: reduce(*received)).collect()
    remove_blocks(root)
    return results


def group(spark: SparkSession, rows: RDD[Block], num_keys: int, root: str) -> RDD[Received]:
    """Return each key with its batches, one task a key. Arguments as for `shuffle`.

    The iterators of batches must be used up in the task that receives them. The caller removes the
    files of the first carrier with `remove_blocks` once the result has been used.
    """
    fs, _ = storage.filesystem(root)
    if not storage.is_local(fs):
        return _group_in_spark(rows, num_keys)
    files = _write_files(rows, num_keys, root)
    keys = spread(spark, range(num_keys), num_keys)
    return keys.map(lambda key: (key, _read_files(files, key, num_keys)))


def remove_blocks(root: str) -> None:
    """Remove the files of all shuffles in this folder."""
    storage.remove(posixpath.join(root, SHUFFLE_FOLDER))


def _group_in_spark(rows: RDD[Block], num_keys: int) -> RDD[Received]:
    def pack(sender: int, blocks: Iterable[Block]) -> Iterator[tuple[int, tuple[int, int, bytes]]]:
        for number, (key, batch) in enumerate(blocks):
            yield key, (sender, number, _to_stream(batch))

    def unpack(
        key: int, received: Iterable[tuple[int, tuple[int, int, bytes]]]
    ) -> Iterator[Received]:
        streams = sorted(stream for _, stream in received)
        yield key, (_from_stream(stream) for *_, stream in streams)

    sent = rows.mapPartitionsWithIndex(pack).partitionBy(num_keys, int)
    return sent.mapPartitionsWithIndex(unpack)


def _to_stream(batch: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def _from_stream(stream: bytes) -> pa.RecordBatch:
    return pa.ipc.open_stream(stream).read_next_batch()


def _write_files(rows: RDD[Block], num_keys: int, root: str) -> list[str]:
    """Write the blocks and return the files, one per partition that has any."""

    def run(blocks: Iterable[Block]) -> Iterator[str]:
        path = posixpath.join(root, SHUFFLE_FOLDER, f"{uuid.uuid4().hex}.arrow")
        if _write_file(path, blocks, num_keys):
            yield path

    return rows.mapPartitions(run).collect()


def _write_file(path: str, blocks: Iterable[Block], num_keys: int) -> int:
    """Write a file and return its number of batches.

    Batch i has key i mod num_keys: a key without rows gets an empty batch, and a key that does not
    follow the one before begins a new round.
    """
    fs, stripped = storage.filesystem(path)
    fs.makedirs(posixpath.dirname(stripped), exist_ok=True)
    count, writer, empty = 0, None, None
    with pa.OSFile(stripped, "wb") as file:
        for key, batch in blocks:
            if writer is None:
                writer = pa.ipc.new_file(file, batch.schema)
                empty = batch.slice(0, 0)
            while count % num_keys != key:
                writer.write_batch(empty)
                count += 1
            writer.write_batch(batch)
            count += 1
        if writer is not None:
            writer.close()
    return count


def _read_files(files: Sequence[str], key: int, num_keys: int) -> Iterator[pa.RecordBatch]:
    """Yield the batches of a key that have rows, file by file."""
    for path in files:
        _, stripped = storage.filesystem(path)
        try:
            reader = pa.ipc.open_file(pa.memory_map(stripped))
            for number in range(key, reader.num_record_batches, num_keys):
                batch = reader.get_batch(number)
                if batch.num_rows:
                    yield batch
        except (pa.ArrowInvalid, OSError) as error:
            raise DataError(
                describe(
                    path,
                    found=f"a damaged file of blocks ({error})",
                    expected="the blocks of one task",
                    remedy="Run the stage again. If the error returns, check the disk.",
                )
            ) from error
