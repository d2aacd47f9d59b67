"""Popularity: one ranking of movies for all users, the yardstick of every list."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from pyspark.sql import SparkSession

from recspark.arrays.ratings import SECONDS_A_DAY
from recspark.cluster.tasks import spread
from recspark.contract import columns as c
from recspark.datasets.movie_sums import list_buckets, sum_weights
from recspark.datasets.signal import Signal
from recspark.datasets.train_buckets import TrainBuckets, read_bucket
from recspark.errors import DataError, describe

Doubles = npt.NDArray[np.float64]


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
        half_life_days: Age at which a rating counts half, from the latest rating on; None counts
            all ages alike.

    Raises:
        DataError: There is a half-life, and a rating without a time.
    """
    if half_life_days is None:
        return sum_weights(spark, ratings, signal.weigh, (c.RATING,))
    latest, half_life = _find_latest(spark, ratings), half_life_days * SECONDS_A_DAY

    def weigh(values: npt.NDArray[np.float32], times: npt.NDArray) -> Doubles:
        weights: Doubles = signal.weigh(values) * 0.5 ** ((latest - times) / half_life)
        return weights

    return sum_weights(spark, ratings, weigh, (c.RATING, c.RATED_AT))


def _find_latest(spark: SparkSession, ratings: Sequence[TrainBuckets]) -> float:
    """Return the time of the latest rating, in seconds since 1970."""
    buckets = list_buckets(ratings)
    found = spread(spark, buckets, len(buckets)).map(lambda bucket: _find_last(*bucket)).collect()
    return max(found)


def _find_last(path: str, bucket: int) -> float:
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
    return float(times.max())
