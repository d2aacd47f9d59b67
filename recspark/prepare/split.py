"""Which ratings are held out: choices that hash stable keys, so row order cannot matter."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recspark import columns as c

SPLIT = "split"
TRAIN, VALID, TEST = "train", "valid", "test"

_HASH_BITS = 53  # as many as a double holds exactly


def uniform(seed: int, purpose: str, *keys: str) -> Column:
    """Return a number in [0, 1) that depends on the seed, the purpose and the keys alone."""
    hashed = F.xxhash64(F.lit(seed), F.lit(purpose), *keys)
    low_bits = hashed.bitwiseAND(F.lit(2**_HASH_BITS - 1))
    return low_bits.cast("double") / F.lit(float(2**_HASH_BITS))


def split_random(
    ratings: DataFrame, *, test_fraction: float, valid_fraction: float, seed: int
) -> DataFrame:
    """Return the ratings with a column `split`: train, valid or test, drawn per (user, movie).

    Args:
        ratings: Rows with `user_id, movie_id`; all are kept.
        test_fraction: Share that goes to test.
        valid_fraction: Share of the rest that goes to valid.
        seed: Seed of both draws.
    """
    is_test = uniform(seed, TEST, c.USER_ID, c.MOVIE_ID) < test_fraction
    return _with_split(ratings, is_test, valid_fraction, seed)


def split_pairs(
    ratings: DataFrame, pairs: DataFrame, *, valid_fraction: float, seed: int
) -> DataFrame:
    """Return the ratings with a column `split`, test being the ratings that `pairs` names.

    Args:
        ratings: Rows with `user_id, movie_id`; all are kept.
        pairs: `user_id, movie_id` of the held-out ratings; repeated pairs count once.
        valid_fraction: Share of the rest that goes to valid.
        seed: Seed of the draw of valid.
    """
    held_out = "is_held_out"
    marked = pairs.select(c.USER_ID, c.MOVIE_ID).distinct().withColumn(held_out, F.lit(True))
    joined = ratings.join(marked, on=[c.USER_ID, c.MOVIE_ID], how="left")
    is_test = F.coalesce(F.col(held_out), F.lit(False))
    return _with_split(joined, is_test, valid_fraction, seed).drop(held_out)


def _with_split(ratings: DataFrame, is_test: Column, valid_fraction: float, seed: int) -> DataFrame:
    is_valid = uniform(seed, VALID, c.USER_ID, c.MOVIE_ID) < valid_fraction
    split = F.when(is_test, TEST).when(is_valid, VALID).otherwise(TRAIN)
    return ratings.withColumn(SPLIT, split)
