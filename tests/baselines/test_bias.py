from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from recspark.baselines import bias
from recspark.contract import columns as c
from recspark.errors import DataError
from recspark.saved import arrays
from tests.baselines import dense
from tests.runs import split_frame


def fit(spark: SparkSession, ratings: dense.Floats, reg_user: float, reg_movie: float):
    train = split_frame(spark, dense.cells(ratings), 2)
    mean = float(np.nanmean(ratings))
    return bias.fit(train, mean=mean, reg_user=reg_user, reg_movie=reg_movie)


def test_effects_by_hand(spark: SparkSession) -> None:
    nan = np.nan
    model = fit(spark, np.array([[5, 3, nan], [4, nan, nan]]), reg_user=1, reg_movie=2)
    # mean 4; movie 0: (1 + 0)/(2 + 2); movie 1: -1/(2 + 1); user 0: (1 - .25 - 1 + .333)/(1 + 2).
    movies = {row[c.MOVIE_INDEX]: row[c.EFFECT] for row in model.movie_effects.collect()}
    users = {row[c.USER_INDEX]: row[c.EFFECT] for row in model.user_effects.collect()}
    assert movies == pytest.approx({0: 0.25, 1: -1 / 3})
    assert users == pytest.approx({0: (0.75 - 2 / 3) / 3, 1: -0.25 / 2})


def test_arrays_are_those_of_numpy_and_nan_where_unseen(
    spark: SparkSession, tmp_path: Path
) -> None:
    ratings = dense.random_ratings(4, 13, 9, 0.5)
    ratings[3], ratings[:, 5] = np.nan, np.nan
    _, users, movies = dense.bias_effects(ratings, reg_user=3, reg_movie=5)
    folder = str(tmp_path)
    bias.save(fit(spark, ratings, 3, 5), folder, num_users=13, num_movies=9, num_buckets=4)
    np.testing.assert_allclose(arrays.read_movies(folder), movies[:, None], atol=1e-9)
    for bucket in range(4):
        expected = users[bucket::4, None]
        np.testing.assert_allclose(arrays.read_users(folder, bucket), expected, atol=1e-9)


def test_a_user_with_two_effects_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    model = fit(spark, dense.random_ratings(4, 5, 6, 0.9), 3, 5)
    twice = dataclasses.replace(model, user_effects=model.user_effects.union(model.user_effects))
    with pytest.raises(Exception, match=r"found 10 rows for 5 users"):
        bias.save(twice, str(tmp_path), num_users=5, num_movies=6, num_buckets=1)


def test_damaged_arrays_name_the_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"movies\.npy: found no such file"):
        arrays.read_movies(str(tmp_path))
    (tmp_path / "movies.npy").write_bytes(b"\x93NUMPY\x01\x00v\x00{'descr'")
    with pytest.raises(DataError, match=r"movies\.npy: found a damaged file"):
        arrays.read_movies(str(tmp_path))
