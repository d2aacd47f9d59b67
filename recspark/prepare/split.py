"""Which ratings are held out. A split sees one bucket at a time: some users, all their ratings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recspark.arrays.hashing import hash_keys, uniform
from recspark.arrays.ratings import Ratings, pair_keys

TRAIN, VALID, TEST = 0, 1, 2
SPLITS = ("train", "valid", "test")  # by code

Codes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class RandomSplit:
    """Test and valid are drawn for each (user, movie) by a hash of both and the seed.

    Attributes:
        test_fraction: Share that goes to test.
        valid_fraction: Share of the rest that goes to valid.
        seed: Seed of both draws.
    """

    test_fraction: float
    valid_fraction: float
    seed: int

    def __call__(self, block: Ratings) -> Codes:
        """Return TRAIN, VALID or TEST for each row."""
        is_test = uniform(self.seed, "test", block.users, block.movies) < self.test_fraction
        return _codes(is_test, _draw_valid(block, self.valid_fraction, self.seed))


@dataclass(frozen=True)
class PairsSplit:
    """Test is a list of held-out pairs; valid is drawn from the rest.

    Attributes:
        keys: `pair_keys` of the held-out pairs, ascending, distinct.
        valid_fraction: Share of the rest that goes to valid.
        seed: Seed of that draw.
    """

    keys: npt.NDArray[np.int64]
    valid_fraction: float
    seed: int

    def __call__(self, block: Ratings) -> Codes:
        """Return TRAIN, VALID or TEST for each row."""
        wanted = pair_keys(block.users, block.movies)
        position = np.minimum(np.searchsorted(self.keys, wanted), max(len(self.keys) - 1, 0))
        is_test = self.keys[position] == wanted if len(self.keys) else np.zeros(len(wanted), bool)
        return _codes(is_test, _draw_valid(block, self.valid_fraction, self.seed))


@dataclass(frozen=True)
class TimeSplit:
    """The newest ratings are test and those before them valid, cut between days.

    Attributes:
        test_from: First day of test, in days since 1970-01-01.
        valid_from: First day of valid; the same as test_from if there is no valid.
    """

    test_from: int
    valid_from: int

    @staticmethod
    def of(
        days: npt.NDArray[np.int64],
        counts: npt.NDArray[np.int64],
        *,
        test_fraction: float,
        valid_fraction: float,
        test_from: int | None = None,
    ) -> TimeSplit:
        """Return the split that cuts between days and gives each part at least its share.

        Args:
            days: Days with ratings, ascending.
            counts: Number of ratings on each day.
            test_fraction: Share of all ratings for test; ignored if `test_from` is given.
            valid_fraction: Share of the rest for valid.
            test_from: First day of test.
        """
        if test_from is None:
            test_from = _first_day_of_newest(days, counts, test_fraction)
        before = days < test_from
        valid_from = _first_day_of_newest(days[before], counts[before], valid_fraction)
        return TimeSplit(test_from, min(valid_from, test_from))

    def __call__(self, block: Ratings) -> Codes:
        """Return TRAIN, VALID or TEST for each row."""
        return _codes(block.days >= self.test_from, block.days >= self.valid_from)


@dataclass(frozen=True)
class LastSplit:
    """Each user's newest ratings are test, and the same number before them valid.

    Ratings of one day are ordered by a hash of user, movie and seed.

    Attributes:
        num_last: Ratings per user in test; a user with no more ratings has none in train.
        has_valid: Whether the ratings before those go to valid.
        seed: Seed of the order within a day.
    """

    num_last: int
    has_valid: bool
    seed: int

    def __call__(self, block: Ratings) -> Codes:
        """Return TRAIN, VALID or TEST for each row; the block has all ratings of its users."""
        tie = hash_keys(self.seed, "last", block.users, block.movies)
        order = np.lexsort((tie, -block.days, block.users))  # newest first within each user
        users = block.users[order]
        starts = np.flatnonzero(np.r_[True, users[1:] != users[:-1]]) if len(users) else users
        age = np.arange(len(users)) - np.repeat(starts, np.diff(np.r_[starts, len(users)]))
        rank = np.empty(len(users), dtype=np.int64)
        rank[order] = age  # 0 is the user's newest rating
        num_valid = self.num_last if self.has_valid else 0
        return _codes(rank < self.num_last, rank < self.num_last + num_valid)


Split = RandomSplit | PairsSplit | TimeSplit | LastSplit


def _codes(is_test: Mask, is_valid: Mask) -> Codes:
    """Return the code of each row; a row that is both test and valid is test."""
    return np.where(is_test, TEST, np.where(is_valid, VALID, TRAIN)).astype(np.uint8)


def _draw_valid(block: Ratings, fraction: float, seed: int) -> Mask:
    return uniform(seed, "valid", block.users, block.movies) < fraction


def _first_day_of_newest(
    days: npt.NDArray[np.int64], counts: npt.NDArray[np.int64], fraction: float
) -> int:
    """Return the latest day such that it and later days hold `fraction` of the ratings or more."""
    if fraction == 0 or len(days) == 0:
        return int(np.iinfo(np.int32).max)
    newest = np.cumsum(counts[::-1])[::-1]  # ratings on or after each day
    enough = np.flatnonzero(newest >= fraction * counts.sum())
    return int(days[enough[-1]])
