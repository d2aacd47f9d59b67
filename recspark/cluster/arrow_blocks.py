"""Blocks of rows that are sent between tasks: Arrow record batches, cut by key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Block = tuple[int, pa.RecordBatch]
"""A key, from 0, and rows of that key."""


def partition_rows(
    batch: pa.RecordBatch, keys: npt.NDArray[np.integer[Any]], num_keys: int
) -> Iterator[Block]:
    """Yield the rows of each key, in their order, keys ascending, as input for `shuffle`.

    Args:
        batch: The rows.
        keys: [rows], from 0 to num_keys-1.
        num_keys: Number of keys.
    """
    # On 16 bits or fewer, argsort is a radix sort.
    order = np.argsort(keys.astype(np.min_scalar_type(max(num_keys - 1, 0))), kind="stable")
    yield from cut_by_key(batch.take(pa.array(order)), np.bincount(keys, minlength=num_keys))


def cut_by_key(batch: pa.RecordBatch, counts: npt.NDArray[np.integer[Any]]) -> Iterator[Block]:
    """Yield the rows of each key that has some, keys ascending.

    Args:
        batch: The rows, ordered by key.
        counts: [keys], the rows of each key.
    """
    start = 0
    for key, count in enumerate(counts.tolist()):
        if count:
            yield key, batch.slice(start, count)
        start += count
