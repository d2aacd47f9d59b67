"""Two ratings of one movie by one user: the later date is kept; on one date, the later line."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recspark.arrays.ratings import Keys, Ratings, pair_keys

# Largest user id for which an array with one entry per user is allocated (64 MB at most).
MAX_MARKED_USER = 2**24
# Average rows per movie from which checking movie by movie is faster than sorting the pairs.
MIN_RUN_ROWS = 64


def run_starts(values: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Return the positions at which runs of equal values begin."""
    is_first = np.empty(len(values), dtype=bool)
    is_first[:1] = True
    np.not_equal(values[1:], values[:-1], out=is_first[1:])
    return np.flatnonzero(is_first)


def mark_duplicates(rows: Ratings) -> npt.NDArray[np.bool_]:
    """Return which rows are to be dropped because a duplicate of them is kept.

    A cheap check for repeated pairs comes first; rows are compared only if it finds any.
    """
    if len(rows) == 0 or _is_free_of_repeats(rows):
        return np.zeros(len(rows), dtype=bool)
    return mark_repeated_keys(pair_keys(rows.users, rows.movies), rows.days)


def mark_repeated_keys(keys: Keys, days: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """Return all rows but one of each key; the last row with the latest day is left out."""
    is_duplicate = np.zeros(len(keys), dtype=bool)
    ordered = np.sort(keys)
    repeated = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if len(repeated):
        suspects = np.flatnonzero(np.isin(keys, repeated))
        best_last = suspects[np.lexsort((suspects, days[suspects], keys[suspects]))]
        is_duplicate[best_last[:-1][keys[best_last[:-1]] == keys[best_last[1:]]]] = True
    return is_duplicate


def _is_free_of_repeats(rows: Ratings) -> bool:
    """Return True if rows grouped by movie are certain to hold no pair twice.

    Each row of a movie writes its position to its user's entry. Reading the entry back gives the
    same position unless a later row of that user has overwritten it. This takes a fifth of the time
    of sorting the pairs.
    """
    starts = run_starts(rows.movies)
    movies = rows.movies[starts]
    is_scattered = len(np.unique(movies)) < len(movies)  # a movie's rows are not all together
    if is_scattered or len(starts) * MIN_RUN_ROWS > len(rows):
        return False
    if rows.users.min() < 0 or rows.users.max() > MAX_MARKED_USER:
        return False
    entries = np.empty(int(rows.users.max()) + 1, dtype=np.int32)
    positions = np.arange(len(rows), dtype=np.int32)
    users = rows.users.astype(np.intp)  # else NumPy converts them at every indexing
    for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(rows)], strict=True):
        mine = users[start:end]
        entries[mine] = positions[start:end]
        if not np.array_equal(entries.take(mine, mode="clip"), positions[start:end]):
            return False
    return True
