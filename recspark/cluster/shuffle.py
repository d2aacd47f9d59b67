"""Rows brought to the tasks that they belong to, by files that all nodes see.

A task writes what it has for all keys into one file; the task of a key reads its share of every
file. Spark's own shuffle would carry the same blocks through pickles and sockets between Python and
the JVM, which took three times as long and held them in the JVM's memory; and a lost executor would
take its blocks along. A file is named by its attempt, and only those of finished tasks are read.
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
"""Folder for these files, in the (staging) folder of the data set that is being made."""

# A file is its blocks, then one entry a block, then the number of entries.
_ENTRY = np.dtype([("key", "<i8"), ("start", "<i8"), ("end", "<i8")])
_COUNT = np.dtype("<i8")


def shuffle(
    spark: SparkSession,
    rows: RDD[tuple[int, bytes]],
    num_keys: int,
    reduce: Callable[[int, Iterator[bytes]], Item],
    root: str,
) -> list[Item]:
    """Bring together what belongs to each key and return `reduce` of each, in the keys' order.

    Args:
        spark: The session.
        rows: Blocks of many rows by key, 0 … num_keys-1; the exchange costs nothing per row.
        num_keys: Keys, each a task of its own.
        reduce: A key and its blocks, in the order of the partitions they come from → the result.
        root: Where the files go meanwhile: the folder of the data set that is being made.
    """
    files = write_blocks(rows, root)

    def run(keys: Iterable[int]) -> Iterator[Item]:
        for key in keys:
            yield reduce(key, read_blocks(files, key))

    results = spread(spark, range(num_keys), num_keys).mapPartitions(run).collect()
    remove_blocks(root)
    return results


def write_blocks(rows: RDD[tuple[int, bytes]], root: str) -> list[str]:
    """Return the files that the blocks were written to, one a partition that has any."""

    def run(blocks: Iterable[tuple[int, bytes]]) -> Iterator[str]:
        path = posixpath.join(root, SHUFFLE_FOLDER, f"{uuid.uuid4().hex}.blocks")
        if _write(path, blocks):
            yield path

    return rows.mapPartitions(run).collect()


def read_blocks(files: Sequence[str], key: int) -> Iterator[bytes]:
    """Yield the blocks of a key, file after file."""
    for path in files:
        yield from _read(path, key)


def remove_blocks(root: str) -> None:
    """Remove the files of all exchanges in this folder."""
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
        count = int(np.frombuffer(_exactly(file.read(), _COUNT.itemsize, path), _COUNT)[0])
        length = count * _ENTRY.itemsize
        file.seek(max(0, size - tail - length))
        content = file.read(min(length, size)) if count >= 0 else b""
        entries = np.frombuffer(_exactly(content, length, path), _ENTRY)
        for _, start, end in entries[entries["key"] == key].tolist():
            file.seek(start)
            yield _exactly(file.read(end - start), end - start, path)


def _exactly(content: bytes, size: int, path: str) -> bytes:
    if len(content) != size:
        raise DataError(
            describe(
                path,
                found=f"{len(content):,} bytes of a block",
                expected=f"{size:,}",
                remedy="Run the stage again; if it stays, look at the disk.",
            )
        )
    return content
