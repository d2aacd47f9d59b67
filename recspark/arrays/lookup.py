"""A vectorised lookup from raw ids to positions in a table."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from recspark.arrays.ids import Ids, TextIds

# Up to this many times the number of ids, the largest id allows a lookup by one array access;
# above it, ids are found by a binary search.
MAX_SPARSITY = 20
MAX_DENSE_ID = 50_000_000
_WHOLE = "^(0|-?[1-9][0-9]{0,17})$"


@dataclass(frozen=True)
class Lookup:
    """Finds the index of raw ids.

    Sorted once and sent to tasks, each of which builds its table at its first use.

    Attributes:
        ids: Known ids: whole numbers ascending, or text in any order.
        indexes: The index of each of them, int32 [num_ids].
    """

    ids: npt.NDArray[np.int64] | TextIds
    indexes: npt.NDArray[np.int32]

    @staticmethod
    def of(ordered_ids: Ids) -> Lookup:
        """Return the lookup for distinct ids listed in the order of their index."""
        if isinstance(ordered_ids, TextIds):
            return Lookup(ordered_ids, np.arange(len(ordered_ids), dtype=np.int32))
        order = np.argsort(ordered_ids, kind="stable").astype(np.int32)
        return Lookup(ordered_ids[order].astype(np.int64), order)

    def __len__(self) -> int:
        return len(self.ids)

    def ordered(self) -> Ids:
        """Return the ids in the order of their index, as `of` was given them."""
        if isinstance(self.ids, TextIds):
            return self.ids
        ordered = np.empty_like(self.ids)
        ordered[self.indexes] = self.ids
        return ordered

    def find(self, ids: Ids) -> npt.NDArray[np.int32]:
        """Return the index of each id, or -1 if it is unknown; int32 [ids].

        Among whole numbers, text may name one.
        """
        if len(self.ids) == 0:
            return np.full(len(ids), -1, dtype=np.int32)
        if isinstance(ids, TextIds) and not isinstance(self.ids, TextIds):
            is_whole = pc.match_substring_regex(ids.values, _WHOLE)
            numbers = pc.if_else(is_whole, ids.values, "0").cast(pa.int64()).to_numpy()
            found = np.where(is_whole.to_numpy(zero_copy_only=False), self.find(numbers), -1)
            return found.astype(np.int32)[ids.codes]
        if isinstance(self.ids, TextIds) and not isinstance(ids, TextIds):
            return self.find(TextIds.of(map(str, ids.tolist())))
        if isinstance(ids, TextIds):
            known = pc.index_in(ids.values, value_set=self._known_texts)
            found = pc.fill_null(known, -1).to_numpy(zero_copy_only=False).astype(np.int32)
            return found[ids.codes]
        assert not isinstance(self.ids, TextIds)
        if self._table is not None:
            # Negative ids become large unsigned numbers, so both ends are cut at once.
            top = np.uint64(len(self._table) - 1)
            return self._table[np.minimum(ids.astype(np.int64).view(np.uint64), top)]
        position = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        return np.where(self.ids[position] == ids, self.indexes[position], np.int32(-1))

    @functools.cached_property
    def _table(self) -> npt.NDArray[np.int32] | None:
        """The index by id, -1 for an unknown id and at the end; None if it would be too large."""
        assert not isinstance(self.ids, TextIds)
        lowest, top = int(self.ids[0]), int(self.ids[-1])
        if lowest < 0 or top > min(MAX_DENSE_ID, MAX_SPARSITY * (len(self.ids) + 1_000_000)):
            return None
        table = np.full(top + 2, -1, dtype=np.int32)
        table[self.ids] = self.indexes
        return table

    @functools.cached_property
    def _known_texts(self) -> pa.StringArray:
        assert isinstance(self.ids, TextIds)
        return self.ids.values.take(pa.array(self.ids.codes))

    def __getstate__(self) -> dict[str, object]:
        return {"ids": self.ids, "indexes": self.indexes}
