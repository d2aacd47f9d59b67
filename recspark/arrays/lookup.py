"""A vectorised lookup from raw ids to positions in a table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# Up to this id a lookup is one array access; above it, a binary search in the sorted ids.
MAX_DENSE_ID = 50_000_000


@dataclass(frozen=True)
class Lookup:
    """Finds the index of raw ids.

    Attributes:
        ids: Known ids, ascending, int32 [num_ids].
        indexes: The index of each of them, int32 [num_ids].
    """

    ids: npt.NDArray[np.int32]
    indexes: npt.NDArray[np.int32]

    @staticmethod
    def of(ordered_ids: npt.NDArray[np.int32]) -> Lookup:
        """Return the lookup for ids listed in the order of their index."""
        order = np.argsort(ordered_ids, kind="stable").astype(np.int32)
        return Lookup(ordered_ids[order], order)

    def find(self, ids: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """Return the index of each id, or -1 if it is unknown; int32, the shape of `ids`."""
        if len(self.ids) == 0:
            return np.full(ids.shape, -1, dtype=np.int32)
        top = int(self.ids[-1])
        if top <= MAX_DENSE_ID:
            table = np.full(top + 2, -1, dtype=np.int32)
            table[self.ids] = self.indexes
            return table[np.minimum(ids, top + 1)]
        position = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        return np.where(self.ids[position] == ids, self.indexes[position], np.int32(-1))
