"""Uncertainty of a figure: the bootstrap over users, and the paired comparison of two models.

A user's ratings are correlated, so users are drawn, not rows. Source of the intervals: Efron and
Tibshirani 1993, chapter 13 (percentiles). The number of times that a resample holds a user is drawn
from Poisson(1), independently (Oza and Russell 2001, where it approximates the multinomial of large
samples). The draw is 16 bits of a hash of user, resample and seed. So any task can make it, and two
models get the same resamples, whenever and however they were measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recspark.arrays.hashing import hash_keys

FloatArray = npt.NDArray[np.float64]

LEVEL = 0.95
# Users whose weights are held at a time: 1,024 × 1,000 weights in double precision are 8 MB.
_BLOCK_USERS = 1024

_TABLE_BITS = 16
# Each part of a hash is the draw of one resample.
_DRAWS_PER_HASH = 64 // _TABLE_BITS
_PARTS = np.uint64(_TABLE_BITS) * np.arange(_DRAWS_PER_HASH, dtype=np.uint64)


def _poisson_table() -> npt.NDArray[np.uint8]:
    """Return Poisson(1)'s value for each of 2**16 equal shares of probability."""
    below = np.cumsum([math.exp(-1) / math.factorial(value) for value in range(20)])
    shares = (np.arange(2**_TABLE_BITS) + 0.5) / 2**_TABLE_BITS
    return np.searchsorted(below, shares).astype(np.uint8)


_POISSON = _poisson_table()


def draw_weights(
    users: npt.NDArray[np.integer], num_resamples: int, seed: int
) -> npt.NDArray[np.uint8]:
    """Return how often each resample holds each user, [resamples, users].

    Args:
        users: [users], their `user_index`.
        num_resamples: Resamples; they are the same in any run with this seed.
        seed: The run's seed.
    """
    hashes = np.arange(-(-num_resamples // _DRAWS_PER_HASH))
    hashed = hash_keys(seed, "bootstrap", users[None, :], hashes[:, None])
    draws = (hashed[:, None, :] >> _PARTS[None, :, None]) & np.uint64(2**_TABLE_BITS - 1)
    return _POISSON[draws.reshape(-1, len(users))[:num_resamples]]


def resample_sums(
    users: npt.NDArray[np.integer], sums: FloatArray, num_resamples: int, seed: int
) -> FloatArray:
    """Return the sums over all users of each resample, [resamples, columns].

    Args:
        users: [users], their `user_index`.
        sums: [users, columns], each user's own sums.
        num_resamples: Resamples.
        seed: The run's seed.
    """
    total = np.zeros((num_resamples, sums.shape[1]))
    for start in range(0, len(users), _BLOCK_USERS):
        block = slice(start, start + _BLOCK_USERS)
        total += draw_weights(users[block], num_resamples, seed).astype(np.float64) @ sums[block]
    return total


def interval(values: FloatArray) -> tuple[float, float]:
    """Return the ends of the middle 95 % of the resamples' values."""
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


@dataclass(frozen=True)
class Comparison:
    """One model's figure minus that of another, over the same resamples of the users."""

    difference: float
    """In the figure's unit. Below 0, the first model has the lower RMSE, or the worse lists."""
    low: float
    high: float
    """The 95 % interval of the difference."""

    @property
    def is_tie(self) -> bool:
        """Whether the interval contains 0, so that the test set cannot tell the two apart."""
        return self.low <= 0 <= self.high


def compare(
    figure: float, resampled: FloatArray, other: float, other_resampled: FloatArray
) -> Comparison:
    """Return the paired comparison of two models measured with one seed on one test set.

    Args:
        figure: Such as the RMSE, of the first.
        resampled: [resamples], its figure in each.
        other: The figure of the second.
        other_resampled: [resamples], in the same resamples.
    """
    low, high = interval(resampled - other_resampled)
    return Comparison(figure - other, low, high)
