from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from recspark.datasets.movie_sums import count_movie_ratings
from recspark.datasets.train_buckets import TrainBuckets
from recspark.errors import DataError
from tests.training.jobs import write_bucket


def write(folder: Path, buckets: dict[int, tuple[list[int], list[float]]]) -> TrainBuckets:
    """Write movies and ratings by bucket, of an index of five movies."""
    for bucket, (movies, ratings) in buckets.items():
        users = np.full(len(movies), bucket)
        write_bucket(folder, bucket, users, np.array(movies), np.array(ratings))
    rows = {bucket: len(movies) for bucket, (movies, _) in buckets.items()}
    return TrainBuckets(str(folder), rows, num_movies=5)


def test_ratings_are_counted_over_buckets_and_data_sets(
    spark: SparkSession, tmp_path: Path
) -> None:
    train = write(tmp_path / "train", {0: ([3, 0, 3], [4, 5, 1]), 2: ([3], [3.5])})
    valid = write(tmp_path / "valid", {1: ([1, 3], [4, 2])})
    assert count_movie_ratings(spark, [train]).tolist() == [1, 0, 0, 3, 0]
    assert count_movie_ratings(spark, [train, valid]).tolist() == [1, 1, 0, 4, 0]
    liked = count_movie_ratings(spark, [train, valid], 3.5)
    assert liked.tolist() == [1, 1, 0, 2, 0]
    assert liked.dtype == np.int64


def test_lost_rows_are_an_error(spark: SparkSession, tmp_path: Path) -> None:
    train = write(tmp_path / "train", {0: ([0, 1], [1, 2])})
    other = dataclasses.replace(train, bucket_rows={0: 3})
    with pytest.raises(DataError, match=r"train, bucket 0: found 2 rows, expected 3"):
        count_movie_ratings(spark, [train, other])
