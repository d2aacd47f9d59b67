"""Ratings predicted as the mean of the nearest users' filled ratings, weighted by similarity."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recspark.baselines.user_block import UserBlock

# (pair, neighbour) combinations looked up at a time; about 40 bytes each.
_LOOKUPS = 2_000_000

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Neighbors:
    """Neighbour lists of some users, three arrays of equal length, ascending by `user_index`."""

    user_index: npt.NDArray[np.int32]
    neighbor_index: npt.NDArray[np.int32]
    similarity: npt.NDArray[np.float32]


def predict_pairs(
    users: npt.NDArray[np.int32],
    movies: npt.NDArray[np.int32],
    neighbors: Neighbors,
    blocks: Iterable[UserBlock],
    *,
    num_movies: int,
) -> Floats:
    """Return Σ s·r / Σ s over each pair's neighbours, [pairs]; NaN without an answer.

    r is the neighbour's rating, or the neighbour's mean if there is none. There is no answer for a
    user without neighbours, nor for a movie that nobody in `blocks` rated.

    Args:
        users: [pairs], `user_index`.
        movies: [pairs], `movie_index`, below `num_movies`.
        neighbors: The lists of (at least) these users.
        blocks: All users of train in blocks, each user once.
        num_movies: Movies in the index.
    """
    numerator, denominator = np.zeros(len(users)), np.zeros(len(users))
    is_rated = np.zeros(num_movies, dtype=bool)
    for block in blocks:
        is_rated[block.deviations.indices] = True
        position = np.searchsorted(block.user_index, neighbors.neighbor_index)
        here = np.take(block.user_index, position, mode="clip") == neighbors.neighbor_index
        weight = neighbors.similarity[here].astype(np.float64)
        row, keys = position[here], _cell_keys(block)
        for part, pair, entry in _combinations(users, neighbors.user_index[here]):
            rows, length = row[entry], len(users[part])
            rating = block.means[rows] + _deviations(block, keys, rows, movies[part][pair])
            numerator[part] += np.bincount(pair, weight[entry] * rating, minlength=length)
            denominator[part] += np.bincount(pair, weight[entry], minlength=length)
    answered = (denominator > 0) & is_rated[movies]
    return np.divide(numerator, denominator, out=np.full(len(users), np.nan), where=answered)


def _combinations(
    users: npt.NDArray[np.int32], owners: npt.NDArray[np.int32]
) -> Iterator[tuple[slice, Ints, Ints]]:
    """Yield every pair with every entry that its user owns, in pieces of bounded size.

    Args:
        users: [pairs], the user of each pair.
        owners: [entries], ascending.

    Yields:
        The slice of pairs in this piece; then, one element per combination, the pair (counted from
        the slice's start) and the entry.
    """
    left = np.searchsorted(owners, users, side="left")
    counts = np.searchsorted(owners, users, side="right") - left
    size = max(1, _LOOKUPS // max(1, int(counts.max(initial=0))))
    for start in range(0, len(users), size):
        part = slice(start, start + size)
        count = counts[part]
        before = np.cumsum(count) - count
        entries = np.arange(count.sum()) + np.repeat(left[part] - before, count)
        yield part, np.repeat(np.arange(len(count)), count), entries


def _cell_keys(block: UserBlock) -> Ints:
    """Return one number per rated cell, ascending: row × movies + movie."""
    num_users, num_movies = block.deviations.shape
    rows = np.repeat(np.arange(num_users, dtype=np.int64), np.diff(block.deviations.indptr))
    return rows * num_movies + block.deviations.indices


def _deviations(block: UserBlock, keys: Ints, rows: Ints, movies: npt.NDArray[np.int32]) -> Floats:
    """Return `block.deviations[rows, movies]`, element by element; 0 if not rated."""
    wanted = rows.astype(np.int64) * block.deviations.shape[1] + movies
    position = np.searchsorted(keys, wanted)
    is_rated = np.take(keys, position, mode="clip") == wanted
    return np.where(is_rated, np.take(block.deviations.data, position, mode="clip"), 0.0)
