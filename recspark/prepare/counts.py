"""Ratings per user, per movie and per day, counted in one pass over the columns."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pyspark import RDD

from recspark.arrays.lookup import MAX_DENSE_ID
from recspark.arrays.ratings import Ratings
from recspark.cluster.tasks import broadcast
from recspark.files.parquet import RowGroup
from recspark.prepare.rows import RatingFilter, read_block

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class RatingCounts:
    """Number of kept ratings per user, movie and day (since 1970-01-01), in ascending order."""

    users: npt.NDArray[np.int64]
    user_counts: Counts
    movies: npt.NDArray[np.int64]
    movie_counts: Counts
    days: npt.NDArray[np.int64]
    day_counts: Counts
    num_read: int
    """Ratings read, including those that were not kept."""

    @property
    def num_ratings(self) -> int:
        """Ratings counted."""
        return int(self.movie_counts.sum())


def count_ratings(blocks: RDD[list[RowGroup]], rating_filter: RatingFilter) -> RatingCounts:
    """Return the counts of the ratings that pass the filter.

    Each task adds up its own blocks, and the tasks' counts are merged pairwise, so the driver
    receives at most one number per user, movie and day.
    """
    with broadcast(blocks.context, rating_filter) as shared:

        def run(items: Iterable[list[RowGroup]]) -> Iterator[RatingCounts]:
            counts = (count_block(read_block(groups), shared.value) for groups in items)
            yield functools.reduce(merge, counts, EMPTY)

        return blocks.mapPartitions(run).treeReduce(merge)


def count_block(block: Ratings, rating_filter: RatingFilter) -> RatingCounts:
    """Return the counts of one block."""
    kept = block.where(rating_filter.mask(block))
    counts = (*_count(kept.users), *_count(kept.movies), *_count(kept.days))
    return RatingCounts(*counts, num_read=len(block.users))


def merge(one: RatingCounts, two: RatingCounts) -> RatingCounts:
    """Return the sum of two counts."""
    return RatingCounts(
        *_add(one.users, one.user_counts, two.users, two.user_counts),
        *_add(one.movies, one.movie_counts, two.movies, two.movie_counts),
        *_add(one.days, one.day_counts, two.days, two.day_counts),
        num_read=one.num_read + two.num_read,
    )


def _count(ids: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.int64], Counts]:
    if len(ids) and ids.min() >= 0 and ids.max() <= MAX_DENSE_ID:
        counts = np.bincount(ids)
        present = np.flatnonzero(counts)
        return present, counts[present]
    values, counts = np.unique(ids.astype(np.int64), return_counts=True)
    return values, counts


def _add(
    ids: npt.NDArray[np.int64],
    counts: Counts,
    more_ids: npt.NDArray[np.int64],
    more_counts: Counts,
) -> tuple[npt.NDArray[np.int64], Counts]:
    together = np.concatenate([ids, more_ids])
    counted = np.concatenate([counts, more_counts])
    if len(together) and together.min() >= 0 and together.max() <= MAX_DENSE_ID:
        sums = np.bincount(together, weights=counted)  # in doubles: exact below 2**53
        present = np.flatnonzero(sums)
        return present, sums[present].astype(np.int64)
    values, position = np.unique(together, return_inverse=True)
    totals = np.zeros(len(values), dtype=np.int64)
    np.add.at(totals, position, counted)
    return values, totals


_NONE = np.zeros(0, dtype=np.int64)
EMPTY = RatingCounts(_NONE, _NONE, _NONE, _NONE, _NONE, _NONE, num_read=0)
