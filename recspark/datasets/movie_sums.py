"""What the ratings of each movie add up to, over all buckets of data sets of ratings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from recspark.cluster.tasks import spread
from recspark.contract import columns as c
from recspark.datasets.train_buckets import TrainBuckets, read_bucket, require_whole

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def count_movie_ratings(
    spark: SparkSession, parts: Sequence[TrainBuckets], lowest: float | None = None
) -> npt.NDArray[np.int64]:
    """Return how many ratings each movie has, [movies].

    Args:
        spark: The session whose tasks count.
        parts: Data sets of ratings.
        lowest: The lowest rating that counts; None counts all.

    Raises:
        DataError: A bucket lost rows.
    """
    for part in parts:
        require_whole(part)
    if lowest is None:
        sums = sum_weights(spark, parts)
    else:
        sums = sum_weights(spark, parts, lambda ratings: ratings >= lowest, (c.RATING,))
    return sums.astype(np.int64)


def sum_weights(
    spark: SparkSession,
    parts: Sequence[TrainBuckets],
    weigh: Callable[..., npt.NDArray] | None = None,
    columns: Sequence[str] = (),
) -> npt.NDArray[np.float64]:
    """Return the sum of the weights of each movie's ratings, [movies]; one task a bucket.

    Args:
        spark: The session whose tasks add.
        parts: Data sets of ratings.
        weigh: Takes `columns` of N ratings, and returns their weights, [N]; None weighs each 1.
        columns: What weights depend on.
    """
    num_movies = parts[0].num_movies

    def add(bucket: tuple[str, int]) -> npt.NDArray[np.float64]:
        movies, *values = read_bucket(*bucket, [c.MOVIE_INDEX, *columns])
        weights = None if weigh is None else weigh(*values)
        return np.bincount(movies, weights, num_movies).astype(np.float64)

    buckets = list_buckets(parts)
    sums: npt.NDArray[np.float64] = spread(spark, buckets, len(buckets)).map(add).treeReduce(np.add)
    return sums


def list_buckets(parts: Sequence[TrainBuckets]) -> list[tuple[str, int]]:
    """Return the path and the number of each bucket with rows, in order."""
    return [(part.path, bucket) for part in parts for bucket in sorted(part.bucket_rows)]
