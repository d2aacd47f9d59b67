"""Which ratings are held out. A split sees one bucket at a time: some users, all their ratings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recspark.arrays.hashing import hash_keys, uniform
from recspark.prepare.bucket_rows import BucketRows

TRAIN, VALID, TEST, FOLD_IN = range(4)
SPLITS = ("train", "valid", "test")  # by code
PARTS = (*SPLITS, "fold_in")

Codes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
_ROUNDING = 1e-9


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


@dataclass(frozen=True)
class HeldOutUsersSplit:
    """Users are held out as in `UsersSplit`; most ratings of those of test are folded in.

    Of n ratings of a test user, n · (1 - fold_in_fraction), rounded down, are test: the protocol of
    Liang, Krishnan, Hoffman and Jebara (2018). Models learn nothing from fold_in, but make the
    user's list from it.

    Attributes:
        test_fraction: Share of the users that goes to test.
        valid_fraction: Share of the other users that goes to valid.
        fold_in_fraction: Share of a test user's ratings that is folded in.
        seed: Seed of all draws; those of the users are as in `UsersSplit`.
    """

    test_fraction: float
    valid_fraction: float
    fold_in_fraction: float
    seed: int

    def __call__(self, rows: BucketRows) -> Codes:
        """Return TRAIN, VALID, TEST or FOLD_IN for each row."""
        codes = UsersSplit(self.test_fraction, self.valid_fraction, self.seed)(rows)
        order = hash_keys(self.seed, "folded in", rows.user_keys, rows.movie_keys)
        rank, totals = _rank_within_users(rows, (order,))
        # The share of 0.8 is a little less than 0.2, which must not cost a whole rating.
        num_test = np.floor(totals * (1 - self.fold_in_fraction) + _ROUNDING)
        codes[(codes == TEST) & (rank >= num_test)] = FOLD_IN
        return codes


Split = (
    RandomSplit
    | PairsSplit
    | TimeSplit
    | LastSplit
    | UserShareSplit
    | UsersSplit
    | HeldOutUsersSplit
)


def pair_keys(users: npt.NDArray[np.int32], movies: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Return one number for each pair of indexes, [pairs]."""
    return (movies.astype(np.int64) << 32) | users.astype(np.int64)


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
