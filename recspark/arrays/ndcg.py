"""NDCG of ranked lists with gains of 0 and 1 (Järvelin and Kekäläinen 2002)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def measure_ndcg(
    lists: npt.NDArray[np.integer],
    ranks: npt.NDArray[np.integer],
    num_relevant: npt.NDArray[np.integer],
    k: int,
) -> npt.NDArray[np.float64]:
    """Return the NDCG of each list [L] from its hits [H]; 0 where nothing is relevant.

    It is the sum of 1 / log2(rank + 1) over the hits, divided by the same sum for a list that
    begins with all that is relevant.

    Args:
        lists: [H], the list of each hit, below L.
        ranks: [H], of each hit, 1 to k.
        num_relevant: [L], what is relevant, listed or not.
        k: Ranks that count.
    """
    gains = 1 / np.log2(np.arange(k) + 2.0)
    best = np.cumsum(gains)[np.clip(num_relevant, 1, k) - 1]
    return np.bincount(lists, gains[ranks - 1], len(num_relevant)) / best
