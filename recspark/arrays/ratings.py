"""A block of ratings with raw ids, and the key of a (user, movie) pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Ratings:
    """Ratings in the order of their lines or rows: four arrays of equal length.

    Attributes:
        users: Raw user ids, int32.
        movies: Raw movie ids, int32.
        ratings: float32.
        days: Days since 1970-01-01, int32.
    """

    users: npt.NDArray[np.int32]
    movies: npt.NDArray[np.int32]
    ratings: npt.NDArray[np.float32]
    days: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.users)

    @staticmethod
    def of(values: Sequence[tuple[int, int, float, int]]) -> Ratings:
        """Return the ratings in a sequence of (user, movie, rating, day)."""
        users, movies, ratings, days = zip(*values, strict=True) if values else ((), (), (), ())
        return Ratings(
            np.array(users, np.int32),
            np.array(movies, np.int32),
            np.array(ratings, np.float32),
            np.array(days, np.int32),
        )

    @staticmethod
    def concatenate(blocks: Sequence[Ratings]) -> Ratings:
        """Return the ratings of all blocks, one after the other."""
        return Ratings(
            np.concatenate([block.users for block in blocks]),
            np.concatenate([block.movies for block in blocks]),
            np.concatenate([block.ratings for block in blocks]),
            np.concatenate([block.days for block in blocks]),
        )

    def where(self, mask: npt.NDArray[np.bool_]) -> Ratings:
        """Return the ratings that the mask selects; this block itself if it selects all."""
        if mask.all():
            return self
        return Ratings(self.users[mask], self.movies[mask], self.ratings[mask], self.days[mask])


NO_RATINGS = Ratings.of([])


def pair_keys(users: npt.NDArray[np.int32], movies: npt.NDArray[np.int32]) -> Keys:
    """Return one number per pair, movie first, so that ratings sorted by movie stay in order."""
    return (movies.astype(np.int64) << 32) | users.astype(np.int64)
