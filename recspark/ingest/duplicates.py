"""Two ratings of one movie by one user: the later date wins, on one date the later line."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recspark.ingest.rows import Rows

Keys = npt.NDArray[np.int64]


def pair_keys(rows: Rows) -> Keys:
    """Return one number for each (movie, user)."""
    return (rows.movies.astype(np.int64) << 32) | rows.users.astype(np.int64)


def find_losers(rows: Rows) -> npt.NDArray[np.bool_]:
    """Return which rows have a better duplicate among the others.

    A sort of the keys finds out whether there are any; only then are rows compared.
    """
    keys = pair_keys(rows)
    loses = np.zeros(len(keys), dtype=bool)
    ordered = np.sort(keys)
    repeated = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if len(repeated):
        suspects = np.flatnonzero(np.isin(keys, repeated))
        best_last = suspects[np.lexsort((suspects, rows.days[suspects], keys[suspects]))]
        loses[best_last[:-1][keys[best_last[:-1]] == keys[best_last[1:]]]] = True
    return loses
