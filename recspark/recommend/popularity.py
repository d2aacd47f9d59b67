"""How many ratings in train each movie has."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pyspark.sql import SparkSession

from recspark.cluster.tasks import spread
from recspark.contract import columns as c
from recspark.datasets.train_buckets import TrainBuckets, read_bucket, require_whole


def count_ratings(spark: SparkSession, train: TrainBuckets) -> npt.NDArray[np.int64]:
    """Return the ratings of each movie, [movies]; one task a bucket.

    Raises:
        DataError: A bucket of train lost rows.
    """
    require_whole(train)

    def count(bucket: int) -> npt.NDArray[np.int64]:
        [movies] = read_bucket(train.path, bucket, [c.MOVIE_INDEX])
        return np.bincount(movies, minlength=train.num_movies)

    buckets = sorted(train.bucket_rows)
    counts: npt.NDArray[np.int64] = (
        spread(spark, buckets, len(buckets)).map(count).treeReduce(np.add)
    )
    return counts
