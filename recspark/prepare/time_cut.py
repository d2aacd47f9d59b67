"""Where a split by time is cut: between seconds, so that each part has at least its share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from recspark.arrays.ratings import SECONDS_A_DAY
from recspark.prepare.split import TimeSplit

_NEVER = int(np.iinfo(np.int32).max)

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
