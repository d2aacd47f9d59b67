"""What a model adds to a prediction for the moment of the rating.

Slopes: each user and movie changes steadily over the years. Process: a user's ratings at about the
same time move together. Between two of a user's ratings the process is a bridge, before the first
and after the last one it decays; see recspark.training.time_loops.

Shape legend: P pairs, N ratings of a bucket's users in train.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from recspark.arrays.ratings import NO_TIME, SECONDS_PER_YEAR
from recspark.saved import over_time as o

Ints = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.floating[Any]]

_KEYS = "keys"


@dataclass(frozen=True)
class OverTime:
    """The part of a model that depends on time."""

    movies: o.Arrays
    open_users: Callable[[int], o.Arrays]

    def add(
        self, bucket: int, rows: Ints, movies: Ints, times: Ints | None
    ) -> tuple[Floats, Floats]:
        """Return (what to add to the predictions, the variance of that), [P] each, rating units.

        A pair without a time is for no particular moment: nothing is added, and the variance is
        that of the process at large.
        """
        mean, variance = (np.zeros(len(rows), np.float32) for _ in range(2))
        if o.PROCESS in self.movies:
            variance[:] = self.movies[o.PROCESS][0]
        at = np.zeros(0, np.int64) if times is None else np.flatnonzero(times != NO_TIME)
        if times is None or not len(at):
            return mean, variance
        users, row, movie, time = self.open_users(bucket), rows[at], movies[at], times[at]
        years = time / SECONDS_PER_YEAR
        if o.SLOPES in self.movies:
            mean[at] += users[o.SLOPES][row] * (years - users[o.MEAN_TIMES][row])
            mean[at] += self.movies[o.SLOPES][movie] * (years - self.movies[o.MEAN_TIMES][movie])
        if o.PROCESS in self.movies:
            found, variance[at] = bridge(users, row, time, *self.movies[o.PROCESS].tolist())
            mean[at] += found
        return mean, variance


def bridge(
    users: o.Arrays, rows: Ints, asked: Ints, variance: float, scale: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return mean and variance of users' processes at the times asked for, [P] each.

    Args:
        users: Of a bucket, with `add_keys`.
        rows: [P], users of the bucket.
        asked: [P], seconds.
        variance: Of the process.
        scale: Seconds after which its correlation has fallen to 1/e.
    """
    starts, times = users[o.STARTS], users[o.TIMES]
    # The first rating later than asked, perhaps of a later user.
    right = np.searchsorted(users[_KEYS], _key(rows, asked), side="right")
    left = right - 1
    has_left, has_right = left >= starts[rows], right < starts[rows + 1]
    left, right = np.where(has_left, left, 0), np.where(has_right, right, 0)
    if not len(times):
        return np.zeros(len(rows)), np.full(len(rows), variance)
    before = np.where(has_left, _decay(asked, times[left], scale), 0.0)
    after = np.where(has_right, _decay(times[right], asked, scale), 0.0)
    both = 1 - (before * after) ** 2
    both[both == 0] = 1.0  # both ratings are at the time asked for: then `before` is 1
    from_left, from_right = before * (1 - after**2) / both, after * (1 - before**2) / both
    from_left[before == 1], from_right[before == 1] = 1.0, 0.0
    mean = from_left * users[o.PATHS][left] + from_right * users[o.PATHS][right]
    # The bridge's own variance, and that of its two ends, which are correlated by the gap.
    own = variance * (1 - from_left * before - from_right * after)
    ends = [np.sqrt(users[o.VARIANCES][one]) for one in (left, right)]
    total = (from_left * ends[0]) ** 2 + (from_right * ends[1]) ** 2
    total += 2 * from_left * from_right * before * after * ends[0] * ends[1]
    return mean, np.maximum(own, 0) + total


def _decay(later: Ints, earlier: Ints, scale: float) -> npt.NDArray[np.float64]:
    gap = later.astype(np.float64) - earlier
    return np.asarray(np.exp(-np.maximum(gap, 0) / scale))


def add_keys(users: dict[str, npt.NDArray]) -> dict[str, npt.NDArray]:
    """Return a bucket's arrays with one ascending number for each user's rating and its time."""
    if o.STARTS in users:
        starts = users[o.STARTS]
        owners = np.repeat(np.arange(len(starts) - 1, dtype=np.int64), np.diff(starts))
        users[_KEYS] = _key(owners, users[o.TIMES])
    return users


def _key(rows: Ints, times: Ints) -> npt.NDArray[np.int64]:
    return (rows.astype(np.int64) << 32) + (times.astype(np.int64) - NO_TIME)
