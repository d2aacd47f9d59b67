"""Several ratings of one movie by one user, settled into one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from recspark.arrays.ratings import NO_TIME
from recspark.prepare.bucket_rows import BucketRows
from recspark.prepare.split import pair_keys

Policy = Literal["last", "first", "mean", "sum", "max", "refuse"]

_MAX_SAMPLES = 3
Positions = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Repeat:
    """A pair with several ratings, for messages."""

    user_index: int
    movie_index: int
    ratings: tuple[float, ...]
    """In the order of the source."""


@dataclass(frozen=True)
class Settled:
    """Rows with at most one rating of each pair."""

    rows: BucketRows
    kept: Positions
    """Where they were among the rows given, ascending."""
    num_dropped: int
    """Rows that are gone."""
    samples: tuple[Repeat, ...]


def settle(rows: BucketRows, policy: Policy) -> Settled:
    """Return the rows with one rating of each (user, movie), in the order of the source.

    last and first keep the rating with the latest or earliest time; at equal times, the last or
    first in the source. A rating without a time is older than those with one for last, and younger
    for first. mean, sum and max compute the rating from all of a pair, at its latest time. refuse
    settles as last; the caller raises the error.

    Args:
        rows: Some users' rows in the order of the source.
        policy: What becomes of repeats.
    """
    keys = pair_keys(rows.users, rows.movies)
    order = np.argsort(keys, kind="stable")
    is_first = np.ones(len(keys), bool)
    np.not_equal(keys[order[1:]], keys[order[:-1]], out=is_first[1:])
    starts = np.flatnonzero(is_first)
    if len(starts) == len(keys):
        return Settled(rows, np.arange(len(rows)), 0, ())
    kept = _choose(rows, order, starts, policy)
    ratings = rows.ratings.copy()
    if policy in ("mean", "sum", "max"):
        ratings[kept] = _combine(rows.ratings[order].astype(np.float64), starts, policy)
    kept = np.sort(kept)
    return Settled(
        replace(rows, ratings=ratings).take(kept),
        kept,
        len(rows) - len(kept),
        _samples(rows, order, starts),
    )


def _choose(rows: BucketRows, order: Positions, starts: Positions, policy: Policy) -> Positions:
    """Return the position of the row to keep of each pair."""
    times = rows.times[order].astype(np.int64)
    group = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(order))))
    if policy == "first":
        times[times == NO_TIME] = np.iinfo(np.int64).max
        by_time = np.lexsort((times, group))  # stable: equal times stay in the source's order
        return order[by_time[starts]]
    by_time = np.lexsort((times, group))
    return order[by_time[np.append(starts[1:], len(order)) - 1]]


def _combine(
    ratings: npt.NDArray[np.float64], starts: Positions, policy: Policy
) -> npt.NDArray[Any]:
    if policy == "max":
        return np.maximum.reduceat(ratings, starts)
    sums = np.add.reduceat(ratings, starts)
    return sums / np.diff(np.append(starts, len(ratings))) if policy == "mean" else sums


def _samples(rows: BucketRows, order: Positions, starts: Positions) -> tuple[Repeat, ...]:
    ends = np.append(starts[1:], len(order))
    found = []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        if end - start > 1:
            mine = order[start:end]
            ratings = tuple(rows.ratings[mine].tolist())
            found.append(Repeat(int(rows.users[mine[0]]), int(rows.movies[mine[0]]), ratings))
            if len(found) == _MAX_SAMPLES:
                break
    return tuple(found)
