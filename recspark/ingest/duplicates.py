"""Two ratings of one movie by one user: the later date wins, on one date the later line."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recspark.arrays.ratings import Keys, Ratings, pair_keys

# Largest user id for which an array with a place for each user is made (64 MB at most).
MAX_MARKED_USER = 2**24
# Rows of a movie that stand together, on average, from which on looking movie by movie pays.
MIN_RUN_ROWS = 64


def run_starts(values: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Return the positions where a run of equal values begins."""
    is_first = np.empty(len(values), dtype=bool)
    is_first[:1] = True
    np.not_equal(values[1:], values[:-1], out=is_first[1:])
    return np.flatnonzero(is_first)


def find_losers(rows: Ratings) -> npt.NDArray[np.bool_]:
    """Return which rows have a better duplicate among the others.

    Whether there are any is found out first; only then are rows compared.
    """
    if len(rows) == 0 or _is_free_of_repeats(rows):
        return np.zeros(len(rows), dtype=bool)
    return find_beaten(pair_keys(rows.users, rows.movies), rows.days)


def find_beaten(keys: Keys, days: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """Return which rows are not the best of their key: the last of those with the latest day."""
    loses = np.zeros(len(keys), dtype=bool)
    ordered = np.sort(keys)
    repeated = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if len(repeated):
        suspects = np.flatnonzero(np.isin(keys, repeated))
        best_last = suspects[np.lexsort((suspects, days[suspects], keys[suspects]))]
        loses[best_last[:-1][keys[best_last[:-1]] == keys[best_last[1:]]]] = True
    return loses


def _is_free_of_repeats(rows: Ratings) -> bool:
    """Return True where rows that stand movie by movie surely hold no pair twice.

    Each row of a movie writes its position to its user's place and finds it there again, unless a
    later row of that user wrote over it. A fifth of the time of sorting the pairs.
    """
    starts = run_starts(rows.movies)
    movies = rows.movies[starts]
    stands_apart = len(np.unique(movies)) < len(movies)  # a movie's rows are not all together
    if stands_apart or len(starts) * MIN_RUN_ROWS > len(rows):
        return False
    if rows.users.min() < 0 or rows.users.max() > MAX_MARKED_USER:
        return False
    places = np.empty(int(rows.users.max()) + 1, dtype=np.int32)
    positions = np.arange(len(rows), dtype=np.int32)
    users = rows.users.astype(np.intp)  # NumPy would do it for each use as an index
    for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(rows)], strict=True):
        mine = users[start:end]
        places[mine] = positions[start:end]
        if not np.array_equal(places.take(mine, mode="clip"), positions[start:end]):
            return False
    return True
