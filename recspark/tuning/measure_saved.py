"""The RMSE of a model that Spark fitted, on valid alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
from pyspark.sql import SparkSession

from recspark.arrays.user_buckets import locate
from recspark.cluster.tasks import spread
from recspark.contract import columns as c
from recspark.contract.paths import bucket_folder
from recspark.files import parquet
from recspark.scoring.buckets import BLOCK_ROWS
from recspark.scoring.load import SavedModel, open_model

_READ = [c.USER_INDEX, c.MOVIE_INDEX, c.RATING]


def measure_saved(spark: SparkSession, saved: SavedModel, valid: str, buckets: list[int]) -> float:
    """Return the RMSE over the rows that the model answers itself, before clipping.

    Training measures its models in the same way: rows of users and movies without a rating in
    train are left out. One task a bucket; memory: one block of its rows.

    Args:
        spark: The session whose tasks score.
        saved: The model.
        valid: The data set.
        buckets: Buckets of valid that have rows.
    """

    def add(mine: Iterable[int]) -> Iterator[tuple[float, int]]:
        for bucket in mine:
            for rows in parquet.read_batches(bucket_folder(valid, bucket), _READ, BLOCK_ROWS):
                users, movies, ratings = (column.to_numpy() for column in rows.columns)
                found = open_model(saved).predict(
                    bucket, locate(users, saved.num_buckets)[1], movies
                )
                errors = (found - ratings.astype(np.float64))[~np.isnan(found)]
                yield float(errors @ errors), len(errors)

    parts = spread(spark, buckets, len(buckets)).mapPartitions(add).collect()
    squares, rows = (sum(part[one] for part in parts) for one in (0, 1))
    return math.sqrt(squares / rows) if rows else math.nan
