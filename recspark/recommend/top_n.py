"""The highest scores of many users at once, over blocks of movies, exactly and in a fixed order.

Sorting whole rows would cost as much as computing them. Instead the maximum of every CHUNK movies
is taken, which is bound by memory bandwidth only. A user's N-th highest maximum is a lower bound of
the N-th highest score, so only chunks that reach it are searched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from recspark.scoring.predictors import NOTHING, Block

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]

CHUNK = 64
# A block of scores: MOVIE_BLOCK × USER_BLOCK × 4 bytes = 64 MB at most.
MOVIE_BLOCK = 32_768
USER_BLOCK = 512


class RunningTop:
    """The best movies so far of a block of users: higher scores first, ties by lower position."""

    def __init__(self, num_users: int, count: int) -> None:
        """Start with empty lists.

        Args:
            num_users: Users of the block.
            count: Most entries of a list.
        """
        self._count = count
        self._numbers = np.arange(num_users + 1)
        self._users = np.zeros(0, np.int64)
        self._movies = np.zeros(0, np.int64)
        self._scores = np.zeros(0, np.float32)
        self._lowest = np.full(num_users, NOTHING)
        """[users], the score that a movie must reach to be listed."""

    def add(self, scores: Floats, first: int) -> None:
        """Add the scores of a block of movies.

        Args:
            scores: [movies, users], C order, movies a multiple of CHUNK; NOTHING for what must not
                be listed; no NaN.
            first: Position of the block's first movie.
        """
        chunks = scores.reshape(-1, CHUNK, scores.shape[1])
        highest = np.ascontiguousarray(chunks.max(axis=1).T)
        if highest.shape[1] >= self._count:
            bound = np.partition(highest, -self._count, axis=1)[:, -self._count]
            np.maximum(self._lowest, bound, out=self._lowest)
        reaches = (highest >= self._lowest[:, None]) & (highest > NOTHING)
        users, chunk = np.nonzero(reaches)
        inside = chunks[chunk, :, users]
        reaches = (inside >= self._lowest[users, None]) & (inside > NOTHING)
        row, offset = np.nonzero(reaches)
        self._merge(users[row], first + chunk[row] * CHUNK + offset, inside[row, offset])

    def _merge(self, users: Ints, movies: Ints, scores: Floats) -> None:
        users = np.concatenate([self._users, users])
        movies = np.concatenate([self._movies, movies])
        scores = np.concatenate([self._scores, scores])
        order = np.lexsort((movies, -scores, users))
        start = np.searchsorted(users[order], self._numbers)
        kept = order[np.arange(len(order)) - start[users[order]] < self._count]
        self._users, self._movies, self._scores = users[kept], movies[kept], scores[kept]
        end = np.searchsorted(self._users, self._numbers)
        is_full = np.diff(end) == self._count
        self._lowest[is_full] = self._scores[end[1:][is_full] - 1]

    def lists(self) -> tuple[Ints, Ints, Ints, Floats]:
        """Return (user, rank from 1, movie, score), one element per entry, by user and rank."""
        start = np.searchsorted(self._users, self._numbers)
        rank = np.arange(len(self._users)) - start[self._users] + 1
        return self._users, rank, self._movies, self._scores


def score_blocks(
    fill: Callable[[slice, Block], None],
    num_movies: int,
    num_users: int,
    owners: npt.NDArray[np.integer[Any]],
    hidden: npt.NDArray[np.integer[Any]],
) -> Iterator[tuple[slice, Block]]:
    """Yield (movies, their scores) of one block of movies after another, for `RunningTop`.

    The scores of a block are overwritten by the next one.

    Args:
        fill: Writes the scores of some movies, [movies, users].
        num_movies: Movies in all.
        num_users: Users of the block.
        owners: [hidden], users from whom a movie is hidden.
        hidden: [hidden], the movies.
    """
    height = padded(min(num_movies, MOVIE_BLOCK))
    block = np.full((height, num_users), NOTHING, np.float32)
    for first in range(0, num_movies, height):
        movies = slice(first, min(first + height, num_movies))
        count = movies.stop - first
        block[count:] = NOTHING
        fill(movies, block[:count])
        inside = (hidden >= first) & (hidden < movies.stop)
        block[hidden[inside] - first, owners[inside]] = NOTHING
        yield movies, block


def padded(num_movies: int) -> int:
    """Return the next multiple of CHUNK."""
    return -(-num_movies // CHUNK) * CHUNK
