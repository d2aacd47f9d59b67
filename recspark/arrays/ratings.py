"""A block of ratings with raw ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recspark.arrays.ids import Ids, concatenate_ids

SECONDS_A_DAY = 86_400
SECONDS_PER_YEAR = 365.25 * SECONDS_A_DAY
NO_TIME = -(2**31)
"""The time of a rating whose time is not known."""
# A day less than 32 bits hold at either end, so that NO_TIME is never a time.
FIRST_TIME, LAST_TIME = -(2**31) + SECONDS_A_DAY, 2**31 - SECONDS_A_DAY


@dataclass(frozen=True)
class Ratings:
    """Ratings in the order of their lines or rows: four columns of equal length.

    Attributes:
        users: Raw user ids.
        movies: Raw movie ids.
        ratings: float32.
        times: Seconds since 1970-01-01 UTC, FIRST_TIME to LAST_TIME or NO_TIME, int32.
    """

    users: Ids
    movies: Ids
    ratings: npt.NDArray[np.float32]
    times: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.ratings)

    @staticmethod
    def of(values: Sequence[tuple[int, int, float, int]]) -> Ratings:
        """Return the ratings in a sequence of (user, movie, rating, time), ids whole."""
        users, movies, ratings, times = zip(*values, strict=True) if values else ((), (), (), ())
        return Ratings(
            np.array(users, np.int64),
            np.array(movies, np.int64),
            np.array(ratings, np.float32),
            np.array(times, np.int32),
        )

    @staticmethod
    def concatenate(blocks: Sequence[Ratings]) -> Ratings:
        """Return the ratings of all blocks, one after the other."""
        return Ratings(
            concatenate_ids([block.users for block in blocks]),
            concatenate_ids([block.movies for block in blocks]),
            np.concatenate([block.ratings for block in blocks]),
            np.concatenate([block.times for block in blocks]),
        )

    def where(self, mask: npt.NDArray[np.bool_]) -> Ratings:
        """Return the ratings that the mask selects; this block itself if it selects all."""
        if mask.all():
            return self
        return Ratings(self.users[mask], self.movies[mask], self.ratings[mask], self.times[mask])


NO_RATINGS = Ratings.of([])


def are_days(times: npt.NDArray[np.int32]) -> bool:
    """Return whether all times are midnights, as dates are; NO_TIME is none."""
    # The first few of other times tell.
    return not (times[:1000] % SECONDS_A_DAY).any() and not (times % SECONDS_A_DAY).any()
