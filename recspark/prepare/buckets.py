"""The stored form of a split: buckets of users, rows in seeded random order inside each."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recspark import columns as c
from recspark.prepare.split import SPLIT, uniform


def to_split_columns(ratings: DataFrame, num_buckets: int) -> DataFrame:
    """Return the columns of the split contract plus `split` and the raw ids.

    The bucket is `user_index mod num_buckets`. As user_index falls with activity, this deals heavy
    and light users out evenly, and a user's row inside a bucket is `user_index // num_buckets`:
    arithmetic where a hash would need a lookup table.

    Args:
        ratings: `user_id, movie_id, user_index, movie_index, rating, rated_on, split`.
        num_buckets: Buckets in all.
    """
    return ratings.select(
        c.USER_ID,
        c.MOVIE_ID,
        c.USER_INDEX,
        c.MOVIE_INDEX,
        c.RATING,
        F.unix_date(c.RATED_ON).cast("smallint").alias(c.RATED_DAY),
        (F.col(c.USER_INDEX) % num_buckets).cast("int").alias(c.BUCKET),
        SPLIT,
    )


def shuffle_into_buckets(ratings: DataFrame, num_buckets: int, seed: int) -> DataFrame:
    """Return the rows, each bucket whole in one partition and in an order drawn from the seed.

    The order hashes (user, movie), so it does not depend on how the input was partitioned.
    """
    order = uniform(seed, "order", c.USER_ID, c.MOVIE_ID)
    return (
        ratings.repartition(num_buckets, F.col(c.BUCKET))
        .sortWithinPartitions(SPLIT, c.BUCKET, order, c.USER_ID, c.MOVIE_ID)
        .drop(c.USER_ID, c.MOVIE_ID)
    )
