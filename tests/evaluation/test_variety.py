from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from recspark.contract import columns as c
from recspark.evaluation.list_figures import Lists
from recspark.evaluation.variety import (
    MovieVectors,
    co_rating_vectors,
    genre_vectors,
    measure_gini,
    sum_diversity,
)
from tests.evaluation.samples import write_buckets


@pytest.mark.parametrize(
    ("counts", "expected"),
    [([3, 3, 3, 3], 0.0), ([0, 0, 0, 8], 0.75), ([1, 3], 0.25), ([2, 0, 0], 2 / 3)],
)
def test_gini_of_counts_by_hand(counts: list[int], expected: float) -> None:
    assert measure_gini(np.array(counts)) == pytest.approx(expected)


def test_movies_without_genres_are_left_out_of_diversity() -> None:
    vectors = genre_vectors(["Drama", None, "Drama|War", "(no genres listed)", "Comedy"])
    assert vectors is not None
    rows, movies = np.array([0, 0, 0, 1, 1, 2, 2]), np.array([0, 1, 2, 1, 4, 0, 4])
    lists = Lists(rows, movies, np.array([1, 2, 3, 1, 2, 1, 2]))
    # User 0: cosine 1/√2 of movies 0 and 2. User 1 has one movie with genres. User 2: cosine 0.
    assert sum_diversity(lists, vectors, 4) == (pytest.approx(1 - 0.5**0.5 + 1), 2)
    assert genre_vectors([None, "", "(no genres listed)"]) is None


def test_co_rating_is_about_the_cosine_of_who_rated(spark: SparkSession, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    num_users, num_movies = 400, 30
    matrix = rng.random((num_users, num_movies)) < rng.uniform(0.05, 0.6, num_movies)
    matrix[:, -1] = False
    users, movies = np.nonzero(matrix)
    columns = {c.USER_INDEX: users.astype(np.int32), c.MOVIE_INDEX: movies.astype(np.int32)}
    write_buckets(tmp_path / "train", columns, 3)
    counts = matrix.sum(axis=0)
    sizes = {"num_ratings": len(users), "num_users": num_users, "num_movies": num_movies}
    made = co_rating_vectors(spark, str(tmp_path / "train"), range(3), **sizes, seed=7)
    vectors = made.values
    exact = (matrix.T.astype(float) @ matrix) / np.sqrt(np.outer(counts, counts).clip(1))
    pairs = np.triu_indices(num_movies - 1, 1)
    errors = (vectors @ vectors.T - exact)[pairs]
    # 512 signs: a standard error of 1/√512 a pair, and of √(2/512) of itself for the mean.
    assert errors.std() < 1.5 / 512**0.5
    assert abs(errors.mean()) < 2 * (2 / 512) ** 0.5 * exact[pairs].mean()
    assert not vectors[-1].any()
    assert made.share == 1


def test_a_share_of_the_lists_is_drawn_by_user() -> None:
    vectors = MovieVectors("co-rating", np.ones((2, 1)), 0.3)
    users = np.arange(20_000)
    chosen = vectors.choose(users, 1)
    assert chosen.mean() == pytest.approx(0.3, abs=0.015)
    assert (vectors.choose(users[5::7], 1) == chosen[5::7]).all()
    assert (vectors.choose(users, 2) != chosen).any()
