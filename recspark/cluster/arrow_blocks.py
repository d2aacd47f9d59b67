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
    ends = np.cumsum(np.bincount(keys, minlength=num_keys))
    ordered = batch.take(pa.array(order))
    start = 0
    for key, end in enumerate(ends.tolist()):
        if end > start:
            yield key, to_block(ordered.slice(start, end - start))
        start = end


def to_block(batch: pa.RecordBatch) -> bytes:
    """Return a batch as the bytes of an Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def from_block(block: bytes) -> pa.RecordBatch:
    """Return the batch that `to_block` turned into bytes."""
    return pa.ipc.open_stream(block).read_next_batch()
