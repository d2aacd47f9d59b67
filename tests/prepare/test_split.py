from __future__ import annotations

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recspark import columns as c
from recspark.prepare import split


@pytest.fixture(scope="module")
def ratings(spark: SparkSession) -> DataFrame:
    return spark.range(20_000).select(
        (F.col("id") % 400).cast("int").alias(c.USER_ID),
        F.floor(F.col("id") / 400).cast("int").alias(c.MOVIE_ID),
    )


def placed(frame: DataFrame) -> dict[tuple[int, int], str]:
    return {(row[c.USER_ID], row[c.MOVIE_ID]): row[split.SPLIT] for row in frame.collect()}


def test_every_rating_is_in_one_split_and_the_shares_are_as_asked(ratings: DataFrame) -> None:
    chosen = placed(split.split_random(ratings, test_fraction=0.2, valid_fraction=0.1, seed=1))
    assert len(chosen) == 20_000
    share = {name: sum(v == name for v in chosen.values()) / 20_000 for name in chosen.values()}
    # Three standard deviations of a binomial share at n = 20,000 are below 0.009.
    assert share["test"] == pytest.approx(0.2, abs=0.009)
    assert share["valid"] == pytest.approx(0.8 * 0.1, abs=0.006)
    assert share["train"] == pytest.approx(0.8 * 0.9, abs=0.0096)


def test_partitioning_and_row_order_do_not_matter(ratings: DataFrame) -> None:
    def chosen(frame: DataFrame) -> dict[tuple[int, int], str]:
        return placed(split.split_random(frame, test_fraction=0.2, valid_fraction=0.1, seed=1))

    reordered = ratings.repartition(7).orderBy(F.desc(c.MOVIE_ID))
    assert chosen(reordered) == chosen(ratings)


def test_another_seed_draws_another_test_set(ratings: DataFrame) -> None:
    one = placed(split.split_random(ratings, test_fraction=0.2, valid_fraction=0.0, seed=1))
    two = placed(split.split_random(ratings, test_fraction=0.2, valid_fraction=0.0, seed=2))
    both = sum(one[key] == two[key] == "test" for key in one) / 20_000
    assert both == pytest.approx(0.2 * 0.2, abs=0.005)


def test_valid_is_drawn_apart_from_test(ratings: DataFrame) -> None:
    # With one hash for both draws, valid would be empty where valid_fraction < test_fraction.
    chosen = placed(split.split_random(ratings, test_fraction=0.5, valid_fraction=0.5, seed=1))
    assert sum(v == "valid" for v in chosen.values()) / 20_000 == pytest.approx(0.25, abs=0.01)


def test_pairs_are_the_test_set(ratings: DataFrame, spark: SparkSession) -> None:
    named = [(0, 0), (1, 3), (1, 3), (399, 49), (5000, 1)]  # one twice, one that nobody rated
    pairs = spark.createDataFrame(named, f"{c.USER_ID} INT, {c.MOVIE_ID} INT")
    chosen = placed(split.split_pairs(ratings, pairs, valid_fraction=0.0, seed=1))
    assert len(chosen) == 20_000
    assert {key for key, v in chosen.items() if v == "test"} == {(0, 0), (1, 3), (399, 49)}
    assert set(chosen.values()) == {"train", "test"}


def test_uniform_spreads_evenly(ratings: DataFrame) -> None:
    values = ratings.select(split.uniform(3, "x", c.USER_ID, c.MOVIE_ID).alias("u"))
    row = values.agg(F.min("u"), F.max("u"), F.avg("u")).first()
    assert row is not None
    assert 0 <= row[0] < 0.001
    assert 0.999 < row[1] < 1
    assert row[2] == pytest.approx(0.5, abs=0.01)
