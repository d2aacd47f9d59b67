from __future__ import annotations

import numpy as np
import pytest
from pyspark.sql import SparkSession

from recspark import columns as c
from recspark.baselines import bias
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


def test_predictions_are_those_of_numpy_and_null_where_unseen(spark: SparkSession) -> None:
    ratings = dense.random_ratings(4, 12, 9, 0.5)
    ratings[3], ratings[:, 5] = np.nan, np.nan
    mean, users, movies = dense.bias_effects(ratings, reg_user=3, reg_movie=5)
    everything = [(user, movie, 1.0) for user in range(12) for movie in range(9)]
    test = split_frame(spark, everything, 4)
    found = bias.predict(test, fit(spark, ratings, 3, 5))
    assert found.columns == [*test.columns, c.PREDICTION]
    rows = found.collect()
    assert len(rows) == 12 * 9
    for row in rows:
        user, movie = row[c.USER_INDEX], row[c.MOVIE_INDEX]
        if user == 3 or movie == 5:
            assert row[c.PREDICTION] is None
        else:
            assert row[c.PREDICTION] == pytest.approx(mean + users[user] + movies[movie], abs=1e-6)
