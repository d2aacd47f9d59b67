"""User-user cosine similarity: gaps filled with the user's mean, nearest users, weighted mean.

The recipe of the public notebook, without its user × user matrix: a task holds one bucket of users
and streams over all buckets of train. It suits a few hundred thousand users; time grows with users
× ratings, which is why the recipe filters heavily first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recspark.baselines.neighbor_mean import Neighbors, predict_pairs
from recspark.baselines.neighbors import find_neighbors
from recspark.baselines.user_block import UserBlock, read_block
from recspark.contract import columns as c
from recspark.contract import schemas
from recspark.datasets.train_buckets import TrainBuckets, read_bucket, require_whole

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def count_rated_movies(train: DataFrame) -> int:
    """Return M, the movies with a rating in train: the length of a filled vector.

    A movie known only from valid or test does not count: it has no column in the recipe's matrix,
    and the model learns from train alone.
    """
    return train.select(c.MOVIE_INDEX).distinct().count()


def fit(
    spark: SparkSession,
    train: TrainBuckets,
    *,
    num_rated_movies: int,
    num_neighbors: int,
    block_users: int,
) -> DataFrame:
    """Return the neighbours of every user with a rating in train, as `schemas.NEIGHBORS`.

    One task a bucket; each reads every bucket once. Users absent from train have no rows.

    Args:
        spark: The session whose tasks do the work.
        train: Where train lies.
        num_rated_movies: `count_rated_movies` of train.
        num_neighbors: Most neighbours of a user.
        block_users: Users a task handles at a time, see `find_neighbors` for the memory.

    Raises:
        DataError: A bucket of train lost rows.
    """
    require_whole(train)
    buckets = sorted(train.bucket_rows)

    def find(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for position in batch.column(0).to_pylist():
                found = find_neighbors(
                    read_block(train, buckets[position]),
                    read_blocks(train),
                    num_rated_movies=num_rated_movies,
                    num_neighbors=num_neighbors,
                    block_users=block_users,
                )
                bucket = np.full(len(found[0]), buckets[position], np.int32)
                yield pa.RecordBatch.from_arrays(
                    [pa.array(values) for values in (*found, bucket)],
                    names=list(schemas.NEIGHBORS.columns),
                )

    one_each = spark.range(0, len(buckets), 1, numPartitions=len(buckets))
    return one_each.mapInArrow(find, schemas.NEIGHBORS.ddl)


def predict_bucket(
    bucket: int,
    users: npt.NDArray[np.int32],
    movies: npt.NDArray[np.int32],
    neighbors_path: str,
    train: TrainBuckets,
) -> npt.NDArray[np.float64]:
    """Return predictions [pairs] for users of one bucket; NaN if user or movie is not in train.

    Streams over all buckets of train. Memory: the bucket's neighbours and one bucket of train.

    Args:
        bucket: The users' bucket.
        users: [pairs], `user_index`.
        movies: [pairs], `movie_index`.
        neighbors_path: Where the result of `fit` was written with `schemas.NEIGHBORS`.
        train: The train that it was fitted on.
    """
    neighbors = read_neighbors(neighbors_path, bucket)
    blocks = read_blocks(train)
    return predict_pairs(users, movies, neighbors, blocks, num_movies=train.num_movies)


def read_blocks(train: TrainBuckets) -> Iterator[UserBlock]:
    """Yield all buckets of train."""
    for bucket in sorted(train.bucket_rows):
        yield read_block(train, bucket)


def read_neighbors(path: str, bucket: int) -> Neighbors:
    """Return the stored neighbours of a bucket's users."""
    users, *others = read_bucket(path, bucket, [c.USER_INDEX, c.NEIGHBOR_INDEX, c.SIMILARITY])
    order = np.argsort(users, kind="stable")
    return Neighbors(users[order], *(values[order] for values in others))
