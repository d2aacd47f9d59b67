"""Which ratings are held out. A split sees one bucket at a time: some users, all their ratings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recspark.arrays.hashing import hash_keys, uniform
from recspark.arrays.ratings import SECONDS_A_DAY
from recspark.prepare.bucket_rows import BucketRows

TRAIN, VALID, TEST = 0, 1, 2
SPLITS = ("train", "valid", "test")  # by code

Codes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
_NEVER = int(np.iinfo(np.int32).max)


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

    def __call__(self, rows: BucketRows) -> Codes:
        """Return TRAIN, VALID or TEST for each row."""
        is_test = uniform(self.seed, "test", rows.user_keys, rows.movie_keys) < self.test_fraction
        return _codes(is_test, _draw_valid(rows, self.valid_fraction, self.seed))


@dataclass(frozen=True)
class PairsSplit:
    """Test is a list of held-out pairs; valid is drawn from the rest.

    Attributes:
        keys: `pair_keys` of the held-out pairs by index, ascending, distinct.
        valid_fraction: Share of the rest that goes to valid.
        seed: Seed of that draw.
    """

    keys: npt.NDArray[np.int64]
    valid_fraction: float
    seed: int

    def __call__(self, rows: BucketRows) -> Codes:
        """Return TRAIN, VALID or TEST for each row."""
        wanted = pair_keys(rows.users, rows.movies)
        position = np.minimum(np.searchsorted(self.keys, wanted), max(len(self.keys) - 1, 0))
        is_test = self.keys[position] == wanted if len(self.keys) else np.zeros(len(wanted), bool)
        return _codes(is_test, _draw_valid(rows, self.valid_fraction, self.seed))


@dataclass(frozen=True)
class TimeSplit:
    """The newest ratings are test and those before them valid, cut between seconds.

    A rating without a time counts as older than all others.

    Attributes:
        test_from: First second of test, since 1970-01-01.
        valid_from: First second of valid; the same as test_from if there is no valid.
    """

    test_from: int
    valid_from: int

    def __call__(self, rows: BucketRows) -> Codes:
        """Return TRAIN, VALID or TEST for each row."""
        return _codes(rows.times >= self.test_from, rows.times >= self.valid_from)


@dataclass(frozen=True)
class LastSplit:
    """Each user's newest ratings are test, and the same number before them valid.

    Ratings of one second are ordered by a hash of user, movie and seed; those without a time count
    as older than all others.

    Attributes:
        num_last: Ratings per user in test; a user with no more ratings has none in train.
        has_valid: Whether the ratings before those go to valid.
        seed: Seed of the order within a second.
    """

    num_last: int
    has_valid: bool
    seed: int

    def __call__(self, rows: BucketRows) -> Codes:
        """Return TRAIN, VALID or TEST for each row."""
        rank, _ = self._rank(rows)
        num_valid = self.num_last if self.has_valid else 0
        return _codes(rank < self.num_last, rank < self.num_last + num_valid)

    def count_ties(self, rows: BucketRows) -> int:
        """Return for how many users the hash chose which of several ratings are test.

        Their last rating of test and their first one outside are of the same second.
        """
        rank, _ = self._rank(rows)
        last, first = rank == self.num_last - 1, rank == self.num_last
        newest = dict(zip(rows.users[last].tolist(), rows.times[last].tolist(), strict=True))
        others = zip(rows.users[first].tolist(), rows.times[first].tolist(), strict=True)
        return sum(newest[user] == time for user, time in others)

    def _rank(self, rows: BucketRows) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        tie = hash_keys(self.seed, "last", rows.user_keys, rows.movie_keys)
        return _rank_within_users(rows, (tie, -rows.times.astype(np.int64)))


@dataclass(frozen=True)
class UserShareSplit:
    """A share of each user's ratings is test, and a share of the rest valid, drawn by a hash.

    A user's number of test ratings is his share rounded up or down, again by a hash, so that the
    shares are right on average for users with few ratings as well. Each user keeps a rating in
    train.

    Attributes:
        test_fraction: Share of each user's ratings that goes to test.
        valid_fraction: Share of the rest that goes to valid.
        seed: Seed of all draws.
    """

    test_fraction: float
    valid_fraction: float
    seed: int

    def __call__(self, rows: BucketRows) -> Codes:
        """Return TRAIN, VALID or TEST for each row."""
        order = hash_keys(self.seed, "user share", rows.user_keys, rows.movie_keys)
        rank, totals = _rank_within_users(rows, (order,))
        num_test = self._round("test", rows, totals * self.test_fraction, totals - 1)
        rest = totals - num_test
        num_valid = self._round("valid", rows, rest * self.valid_fraction, rest - 1)
        return _codes(rank < num_test, rank < num_test + num_valid)

    def _round(
        self,
        purpose: str,
        rows: BucketRows,
        wanted: npt.NDArray[np.floating],
        most: npt.NDArray[np.int64],
    ) -> npt.NDArray[np.int64]:
        draw = uniform(self.seed, f"share of {purpose}", rows.user_keys, 0 * rows.user_keys)
        return np.minimum(np.floor(wanted + draw).astype(np.int64), most)


@dataclass(frozen=True)
class UsersSplit:
    """Test has all ratings of a share of the users, valid all of a share of the other users.

    Those users are wholly out of train: a model knows nothing of them.

    Attributes:
        test_fraction: Share of the users that goes to test.
        valid_fraction: Share of the other users that goes to valid.
        seed: Seed of both draws.
    """

    test_fraction: float
    valid_fraction: float
    seed: int

    def __call__(self, rows: BucketRows) -> Codes:
        """Return TRAIN, VALID or TEST for each row."""
        none = 0 * rows.user_keys
        is_test = uniform(self.seed, "test users", rows.user_keys, none) < self.test_fraction
        is_valid = uniform(self.seed, "valid users", rows.user_keys, none) < self.valid_fraction
        return _codes(is_test, is_valid)


Split = RandomSplit | PairsSplit | TimeSplit | LastSplit | UserShareSplit | UsersSplit

CountSeconds = Callable[[int], tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]
"""A day since 1970-01-01 → the seconds since then with ratings, ascending, and their numbers."""


def cut_by_time(
    days: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
    count_seconds: CountSeconds,
    *,
    test_fraction: float,
    valid_fraction: float,
    test_from: int | None = None,
) -> TimeSplit:
    """Return the split that cuts between seconds and gives each part at least its share.

    Args:
        days: Days with ratings, ascending.
        counts: Number of ratings on each day.
        count_seconds: Counts the ratings of the seconds of a day; called for each day with a cut.
        test_fraction: Share of all ratings for test; ignored if `test_from` is given.
        valid_fraction: Share of the rest for valid.
        test_from: First second of test.
    """
    total = int(counts.sum())
    if test_from is None:
        test_from, in_test = _cut(days, counts, count_seconds, test_fraction * total)
    else:
        day = test_from // SECONDS_A_DAY
        seconds, second_counts = count_seconds(day)
        in_test = int(counts[days > day].sum() + second_counts[seconds >= test_from].sum())
    valid_share = valid_fraction * (total - in_test)
    if valid_share <= 0:
        return TimeSplit(test_from, test_from)
    valid_from, _ = _cut(days, counts, count_seconds, in_test + valid_share)
    return TimeSplit(test_from, min(valid_from, test_from))


def pair_keys(users: npt.NDArray[np.int32], movies: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Return one number for each pair of indexes, [pairs]."""
    return (movies.astype(np.int64) << 32) | users.astype(np.int64)


def _cut(
    days: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
    count_seconds: CountSeconds,
    wanted: float,
) -> tuple[int, int]:
    """Return the latest second from which on there are `wanted` ratings or more, and how many."""
    if wanted <= 0 or len(days) == 0:
        return _NEVER, 0
    from_day = np.cumsum(counts[::-1])[::-1]
    day = int(np.flatnonzero(from_day >= wanted)[-1])
    later = int(from_day[day] - counts[day])
    seconds, second_counts = count_seconds(int(days[day]))
    from_second = later + np.cumsum(second_counts[::-1])[::-1]
    second = int(np.flatnonzero(from_second >= wanted)[-1])
    return int(seconds[second]), int(from_second[second])


def _rank_within_users(
    rows: BucketRows, keys: tuple[npt.NDArray[np.generic], ...]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return for each row its rank among its user's rows, from 0, and how many rows he has.

    Args:
        rows: The rows.
        keys: What orders a user's rows, the most important key last, as for `np.lexsort`.
    """
    order = np.lexsort((*keys, rows.users))
    users = rows.users[order]
    is_first = np.ones(len(users), bool)
    np.not_equal(users[1:], users[:-1], out=is_first[1:])
    starts = np.flatnonzero(is_first)
    lengths = np.diff(np.append(starts, len(users)))
    rank, totals = np.empty(len(users), np.int64), np.empty(len(users), np.int64)
    rank[order] = np.arange(len(users)) - np.repeat(starts, lengths)
    totals[order] = np.repeat(lengths, lengths)
    return rank, totals


def _codes(is_test: Mask, is_valid: Mask) -> Codes:
    """Return the code of each row; a row that is both test and valid is test."""
    return np.where(is_test, TEST, np.where(is_valid, VALID, TRAIN)).astype(np.uint8)


def _draw_valid(rows: BucketRows, fraction: float, seed: int) -> Mask:
    return uniform(seed, "valid", rows.user_keys, rows.movie_keys) < fraction
