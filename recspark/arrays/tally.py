"""How often each id occurs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recspark.arrays.ids import Ids, TextIds, concatenate_ids

Counts = npt.NDArray[np.int64]
# Up to this many times the number of rows, ids are counted in an array with an entry for each id.
_MAX_SPARSITY = 4


def tally(ids: Ids) -> tuple[Ids, Counts]:
    """Return the distinct ids that occur, numbers ascending, and how often each does."""
    if isinstance(ids, TextIds):
        counts = np.bincount(ids.codes, minlength=len(ids.values))
        present = np.flatnonzero(counts)
        values = ids.values.take(pa.array(present))
        return TextIds(np.arange(len(present), dtype=np.int32), values), counts[present]
    if len(ids) and ids.min() >= 0 and ids.max() <= _MAX_SPARSITY * len(ids):
        counts = np.bincount(ids)
        present = np.flatnonzero(counts)
        return present, counts[present]
    values, counts = np.unique(ids.astype(np.int64, copy=False), return_counts=True)
    return values, counts


def add_tallies(tallies: Sequence[tuple[Ids, Counts]]) -> tuple[Ids, Counts]:
    """Return the sum of tallies; there is at least one, and all are whole or all are text."""
    if len(tallies) == 1:
        return tallies[0]
    ids = concatenate_ids([found for found, _ in tallies])
    counts = np.concatenate([counts for _, counts in tallies])
    if isinstance(ids, TextIds):
        return TextIds(np.arange(len(ids.values), dtype=np.int32), ids.values), _sum(
            ids.codes, counts, len(ids.values)
        )
    values, positions = np.unique(ids, return_inverse=True)
    return values, _sum(positions.reshape(-1), counts, len(values))


def _sum(positions: npt.NDArray[np.integer], counts: Counts, size: int) -> Counts:
    # In doubles: exact below 2**53.
    return np.bincount(positions, weights=counts, minlength=size).astype(np.int64)
