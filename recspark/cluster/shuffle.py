"""A shuffle of blocks of rows between tasks, through files that all nodes see.

A task writes its blocks for all keys into one file, and the task of a key reads its part of every
file. Spark's own shuffle would send the same blocks through pickles and sockets between Python and
the JVM. That took three times as long and held the blocks in the JVM's memory, and a lost executor
would lose its blocks. Each task attempt writes its own file, and only those of finished tasks are
read.
"""

from __future__ import annotations

import posixpath
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from recspark.cluster.tasks import spread
from recspark.errors import DataError, describe
from recspark.files import storage

if TYPE_CHECKING:
    from pyspark import RDD
    from pyspark.sql import SparkSession

Item = TypeVar("Item")

SHUFFLE_FOLDER = "_exchange"
"""Folder of these files, in the (staging) folder of the data set that is being made."""

# A file holds its blocks, then one entry per block, then the number of entries.
_ENTRY = np.dtype([("key", "<i8"), ("start", "<i8"), ("end", "<i8")])
_COUNT = np.dtype("<i8")


def shuffle(
    spark: SparkSession,
    rows: RDD[tuple[int, bytes]],
    num_keys: int,
    reduce: Callable[[int, Iterator[bytes]], Item],
    root: str,
) -> list[Item]:
    """Bring the blocks of each key together and return `reduce` of each key, in the keys' order.

    Args:
        spark: The session.
        rows: (key, block of many rows), keys from 0 to num_keys-1; the cost is per block, not per
            row.
        num_keys: Number of keys; each gets its own task.
        reduce: Maps a key and its blocks, in the order of their partitions, to the key's result.
        root: Folder for the temporary files: that of the data set that is being made.
    """
    files = write_blocks(rows, root)

    def run(keys: Iterable[int]) -> Iterator[Item]:
        for key in keys:
            yield reduce(key, read_blocks(files, key))

    results = spread(spark, range(num_keys), num_keys).mapPartitions(run).collect()
    remove_blocks(root)
    return results


def write_blocks(rows: RDD[tuple[int, bytes]], root: str) -> list[str]:
    """Write the blocks and return the files, one per partition that has any."""

    def run(blocks: Iterable[tuple[int, bytes]]) -> Iterator[str]:
        path = posixpath.join(root, SHUFFLE_FOLDER, f"{uuid.uuid4().hex}.blocks")
        if _write(path, blocks):
            yield path

    return rows.mapPartitions(run).collect()


def read_blocks(files: Sequence[str], key: int) -> Iterator[bytes]:
    """Yield the blocks of a key, file by file."""
    for path in files:
        yield from _read(path, key)


def remove_blocks(root: str) -> None:
    """Remove the files of all shuffles in this folder."""
    storage.remove(posixpath.join(root, SHUFFLE_FOLDER))


def _write(path: str, blocks: Iterable[tuple[int, bytes]]) -> int:
    """Write a file and return its number of blocks."""
    fs, stripped = storage.filesystem(path)
    fs.makedirs(posixpath.dirname(stripped), exist_ok=True)
    entries, position = [], 0
    with fs.open(stripped, "wb") as file:
        for key, block in blocks:
            file.write(block)
            entries.append((key, position, position + len(block)))
            position += len(block)
        file.write(np.array(entries, _ENTRY).tobytes())
        file.write(np.array(len(entries), _COUNT).tobytes())
    return len(entries)


def _read(path: str, key: int) -> Iterator[bytes]:
    fs, stripped = storage.filesystem(path)
    with fs.open(stripped, "rb") as file:
        size = file.seek(0, 2)
        tail = min(size, _COUNT.itemsize)
        file.seek(size - tail)
        count = int(np.frombuffer(_require_size(file.read(), _COUNT.itemsize, path), _COUNT)[0])
        length = count * _ENTRY.itemsize
        file.seek(max(0, size - tail - length))
        content = file.read(min(length, size)) if count >= 0 else b""
        entries = np.frombuffer(_require_size(content, length, path), _ENTRY)
        for _, start, end in entries[entries["key"] == key].tolist():
            file.seek(start)
            yield _require_size(file.read(end - start), end - start, path)


def _require_size(content: bytes, size: int, path: str) -> bytes:
    if len(content) != size:
        raise DataError(
            describe(
                path,
                found=f"{len(content):,} bytes of a block",
                expected=f"{size:,}",
                remedy="Run the stage again. If the error returns, check the disk.",
            )
        )
    return content
