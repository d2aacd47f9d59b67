from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from recspark.baselines import popularity
from recspark.datasets.signal import Signal
from recspark.datasets.train_buckets import TrainBuckets
from recspark.errors import DataError, from_task
from tests.training.jobs import write_bucket

DAY = 86_400
# Bucket, user, movie, rating, days: movies 0 and 1 of four are rated; 2 in valid alone.
RATED = [(0, 0, 0, 5.0, 10), (0, 2, 0, 1.0, 8), (0, 0, 1, 4.0, 4), (1, 1, 1, 5.0, 6)]
LATER = [(1, 3, 2, 3.0, 12)]
LINEAR = Signal((0.0, 5.0), (0.0, 5.0))


def write(root: Path, rows: list[tuple[int, int, int, float, int]]) -> TrainBuckets:
    counts = {}
    for bucket in {row[0] for row in rows}:
        users, movies, ratings, days = np.array([row[1:] for row in rows if row[0] == bucket]).T
        write_bucket(root, bucket, users, movies, ratings, days * DAY)
        counts[bucket] = len(users)
    return TrainBuckets(str(root), counts, num_movies=4)


def test_weights_are_added_over_buckets_and_data_sets(spark: SparkSession, tmp_path: Path) -> None:
    train, valid = write(tmp_path / "train", RATED), write(tmp_path / "valid", LATER)
    assert popularity.fit(spark, [train], LINEAR, None).tolist() == [6, 9, 0, 0]
    assert popularity.fit(spark, [train, valid], LINEAR, None).tolist() == [6, 9, 3, 0]
    likes = Signal((1.0,), (1.0,), lowest=4)
    assert popularity.fit(spark, [train, valid], likes, None).tolist() == [1, 2, 0, 0]


def test_a_rating_counts_half_a_half_life_before_the_latest_of_all(
    spark: SparkSession, tmp_path: Path
) -> None:
    """The latest rating is of day 12, and only in the last data set: 2, 4, 8 and 6 days before."""
    train, valid = write(tmp_path / "train", RATED), write(tmp_path / "valid", LATER)
    found = popularity.fit(spark, [train, valid], LINEAR, 2.0)
    expected = [5 / 2 + 1 / 4, 4 / 16 + 5 / 8, 3, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_half_life_needs_times(spark: SparkSession, tmp_path: Path) -> None:
    train = write(tmp_path / "train", RATED)
    file = tmp_path / "train" / "bucket=1" / "part-0.parquet"
    table = pq.read_table(file, partitioning=None).drop(["rated_at"])
    pq.write_table(table.append_column("rated_at", pa.nulls(len(table), pa.int32())), file)
    popularity.fit(spark, [train], LINEAR, None)
    with pytest.raises(Exception, match="ratings without a time") as caught:
        popularity.fit(spark, [train], LINEAR, 2.0)
    assert isinstance(from_task(caught.value), DataError)
