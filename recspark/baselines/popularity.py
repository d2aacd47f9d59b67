"""Popularity: one ranking of movies for all users, the yardstick of every list."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pyspark.sql import SparkSession

from recspark.arrays.ratings import NO_TIME, SECONDS_A_DAY
from recspark.cluster.tasks import spread
from recspark.contract import columns as c
from recspark.datasets.signal import Signal
from recspark.datasets.train_buckets import TrainBuckets, read_bucket
from recspark.errors import DataError, describe

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Weights:
    """Sums of weights as they stand at a moment.

    Attributes:
        moment: The latest time of their ratings, seconds since 1970; NO_TIME where time is unused.
        sums: [movies]
    """

    moment: int
    sums: Doubles

    def at(self, moment: int, half_life: float | None) -> Doubles:
        """Return the sums as they stand later, with the half-life in seconds."""
        if half_life is None:
            return self.sums
        decayed: Doubles = self.sums * 0.5 ** ((moment - self.moment) / half_life)
        return decayed


def fit(
    spark: SparkSession,
    ratings: Sequence[TrainBuckets],
    signal: Signal,
    half_life_days: float | None,
) -> Doubles:
    """Return the popularity of each movie, [movies]; one task a bucket.

    Args:
        spark: The session.
        ratings: Data sets of ratings to count.
        signal: The weight of a rating.
        half_life_days: Age at which a rating counts half; None counts all ages alike.

    Raises:
        DataError: There is a half-life, and a rating without a time.
    """
    half_life = None if half_life_days is None else half_life_days * SECONDS_A_DAY
    work = [(part.path, bucket) for part in ratings for bucket in sorted(part.bucket_rows)]
    num_movies = ratings[0].num_movies

    def count(item: tuple[str, int]) -> _Weights:
        return _count(*item, num_movies, signal, half_life)

    counted = spread(spark, work, len(work)).map(count)
    total: _Weights = counted.treeReduce(functools.partial(_add, half_life))
    return total.sums


def _add(half_life: float | None, left: _Weights, right: _Weights) -> _Weights:
    moment = max(left.moment, right.moment)
    return _Weights(moment, left.at(moment, half_life) + right.at(moment, half_life))


def _count(
    path: str, bucket: int, num_movies: int, signal: Signal, half_life: float | None
) -> _Weights:
    movies, ratings = read_bucket(path, bucket, [c.MOVIE_INDEX, c.RATING])
    weights, moment = signal.weigh(ratings).astype(np.float64), NO_TIME
    if half_life is not None:
        [times] = read_bucket(path, bucket, [c.RATED_AT])
        if np.isnan(times).any():
            raise DataError(
                describe(
                    path,
                    found="ratings without a time",
                    expected="a time for each, because baseline.popularity.half_life_days is set",
                    remedy="Set it to null, or name the column of times in ingest.table.time.",
                )
            )
        moment = int(times.max())
        weights *= 0.5 ** ((moment - times) / half_life)
    return _Weights(moment, np.bincount(movies, weights, num_movies).astype(np.float64))
