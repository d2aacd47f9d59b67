"""Which ratings are held out, decided for a block of rows at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recspark.prepare.hashing import uniform
from recspark.prepare.rows import Ratings

TRAIN, VALID, TEST = 0, 1, 2
SPLITS = ("train", "valid", "test")  # by code

Codes = npt.NDArray[np.uint8]


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
        return with_valid(block, is_test, self.valid_fraction, self.seed)


@dataclass(frozen=True)
class PairsSplit:
    """Test is what a list of held-out pairs names; valid is drawn from the rest.

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
        return with_valid(block, is_test, self.valid_fraction, self.seed)


def pair_keys(users: npt.NDArray[np.int32], movies: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Return one number per pair, movie first: ratings stored by movie then look up in order."""
    return (movies.astype(np.int64) << 32) | users.astype(np.int64)


def with_valid(
    block: Ratings, is_test: npt.NDArray[np.bool_], valid_fraction: float, seed: int
) -> Codes:
    """Return the codes where valid is a random share of what is not test."""
    is_valid = uniform(seed, "valid", block.users, block.movies) < valid_fraction
    return np.where(is_test, TEST, np.where(is_valid, VALID, TRAIN)).astype(np.uint8)
