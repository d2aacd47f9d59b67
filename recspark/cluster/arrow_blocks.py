"""Blocks of rows that are sent between tasks: each holds many rows as bytes of an Arrow stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa


def partition_rows(
    batch: pa.RecordBatch, keys: npt.NDArray[np.integer[Any]], num_keys: int
) -> Iterator[tuple[int, bytes]]:
    """Yield (key, block) for the rows of each key, in their order, as input for `shuffle`.

    Args:
        batch: The rows.
        keys: [rows], from 0 to num_keys-1.
        num_keys: Number of keys.
    """
    order = np.argsort(keys, kind="stable")
    yield from cut_by_key(batch.take(pa.array(order)), np.bincount(keys, minlength=num_keys))


def cut_by_key(
    batch: pa.RecordBatch, counts: npt.NDArray[np.integer[Any]]
) -> Iterator[tuple[int, bytes]]:
    """Yield (key, block) for the rows of each key that has some.

    Args:
        batch: The rows, ordered by key.
        counts: [keys], the rows of each key.
    """
    start = 0
    for key, count in enumerate(counts.tolist()):
        if count:
            yield key, to_block(batch.slice(start, count))
        start += count


def to_block(batch: pa.RecordBatch) -> bytes:
    """Return a batch as the bytes of an Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def from_block(block: bytes) -> pa.RecordBatch:
    """Return the batch that `to_block` turned into bytes."""
    return pa.ipc.open_stream(block).read_next_batch()
