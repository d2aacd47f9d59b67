from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from recspark.baselines import als, bias
from recspark.config.load import load_model_configs
from recspark.saved import arrays
from tests.baselines import dense
from tests.runs import split_frame


def test_it_learns_a_rank_one_table_and_gives_nan_for_the_unseen(
    spark: SparkSession, tmp_path: Path
) -> None:
    spark.sparkContext.setCheckpointDir(str(tmp_path))
    table = np.outer(np.linspace(1, 2, 12), np.linspace(1, 2.5, 10))
    held_out = [(0, 9), (11, 0), (5, 5)]
    # User 12 and movie 10 exist in no training row.
    train = [
        (user, movie, float(table[user, movie]))
        for user in range(12)
        for movie in range(10)
        if (user, movie) not in held_out
    ]
    model = als.fit(
        split_frame(spark, train, 2),
        embedding_size=2,
        epochs=10,
        reg=0.001,
        num_blocks=2,
        seed=1,
    )
    saved = str(tmp_path / "spark_model")
    model.write().save(saved)
    als.export(str(tmp_path), saved, spark, num_users=15, num_movies=11, num_buckets=2)
    movies = arrays.read_movies(str(tmp_path))
    users = {bucket: arrays.read_users(str(tmp_path), bucket) for bucket in (0, 1)}
    assert {bucket: rows.shape for bucket, rows in users.items()} == {0: (8, 2), 1: (7, 2)}
    for user, movie in held_out:
        found = users[user % 2][user // 2] @ movies[movie]
        assert found == pytest.approx(table[user, movie], abs=0.05)
    assert np.isnan(movies[10]).all()
    assert np.isnan(users[0][6:]).all()
    assert np.isnan(users[1][6]).all()
    assert not np.isnan(users[0][:6]).any()
    assert not np.isnan(users[1][:6]).any()


def test_on_sparse_ratings_it_is_no_worse_than_the_effects(
    spark: SparkSession, tmp_path: Path
) -> None:
    """Issue 19: on raw stars it was worse, because it shrank towards 0 stars."""
    spark.sparkContext.setCheckpointDir(str(tmp_path))
    rng = np.random.default_rng(8)
    num_users, num_movies, num_ratings = 400, 200, 2400
    pairs = rng.choice(num_users * num_movies, num_ratings, replace=False)
    users, movies = pairs // num_movies, pairs % num_movies
    level = 3.6 + rng.normal(0, 0.4, num_users)[users] + rng.normal(0, 0.4, num_movies)[movies]
    ratings = np.clip(np.rint(level + rng.normal(0, 0.9, num_ratings)), 1, 5)
    cells = list(zip(users.tolist(), movies.tolist(), ratings.tolist(), strict=True))
    train, held_out = cells[:1800], cells[1800:]
    settings = load_model_configs(["--name", "t", "--models", "als"], "test")["als"].baseline
    frame = split_frame(spark, train, 2)
    mean = float(np.mean([rating for _, _, rating in train]))
    effects = bias.fit(frame, mean=mean, **asdict(settings.bias))
    fitted = asdict(settings.als)
    support = als.Support(frame, fitted.pop("shrinkage"))
    model = als.fit(bias.subtract(frame, effects), **fitted, num_blocks=2, seed=1)
    saved = str(tmp_path / "spark_model")
    model.write().save(saved)
    sizes = {"num_users": num_users, "num_movies": num_movies, "num_buckets": 1}
    als.export(str(tmp_path), saved, spark, effects, support, **sizes)
    user_rows, movie_rows = arrays.read_users(str(tmp_path), 0), arrays.read_movies(str(tmp_path))
    assert user_rows.shape == (num_users, settings.als.embedding_size + als.EFFECT_COLUMNS)
    asked = [
        cell for cell in held_out if not np.isnan(user_rows[cell[0], 0] * movie_rows[cell[1], 0])
    ]
    assert len(asked) > 550
    truth = np.array([rating for _, _, rating in asked])
    found = np.array([user_rows[user] @ movie_rows[movie] for user, movie, _ in asked])
    alone = np.array([user_rows[user, :2] @ movie_rows[movie, :2] for user, movie, _ in asked])
    # The effects in the arrays are those of an independent computation.
    table = np.full((num_users, num_movies), np.nan)
    table[users[:1800], movies[:1800]] = ratings[:1800]
    dense_mean, of_user, of_movie = dense.bias_effects(table, **asdict(settings.bias))
    expected = [dense_mean + of_user[user] + of_movie[movie] for user, movie, _ in asked]
    assert alone == pytest.approx(expected, abs=1e-5)
    assert rmse(found, truth) <= rmse(alone, truth) + 0.002
    assert not (tmp_path / "joined").exists()


def rmse(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.sqrt(np.mean((np.clip(found, 1, 5) - truth) ** 2)))
