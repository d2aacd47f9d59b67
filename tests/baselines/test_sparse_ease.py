"""EASE on the nearest movies, against dense NumPy and against EASE itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from recspark.baselines import gram, sparse_ease
from recspark.baselines.gram import GramRows
from recspark.config import EaseConfig
from recspark.datasets.signal import Signal
from recspark.errors import ConfigError, DataError
from recspark.saved.items import SparseWeights
from tests.baselines import items


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> str:
    return items.write(tmp_path_factory.mktemp("train") / "train")


def as_dense(found: SparseWeights) -> np.ndarray:
    table = np.zeros((items.NUM_MOVIES, items.NUM_MOVIES))
    for row in range(items.NUM_MOVIES):
        part = slice(found.starts[row], found.starts[row + 1])
        assert np.all(np.diff(found.movies[part]) > 0)
        table[row, found.movies[part]] = found.values[part]
    return table


@pytest.mark.parametrize(
    ("num_neighbors", "num_tasks", "signal"),
    [(1, 2, items.STARS), (5, 3, items.LIKES), (9, 17, items.STARS)],
)
def test_each_movie_is_regressed_on_its_nearest_ones(
    spark: SparkSession,
    train: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    num_neighbors: int,
    num_tasks: int,
    signal: Signal,
) -> None:
    monkeypatch.setattr(gram, "TASK_BYTES", 4 * items.NUM_MOVIES**2 // num_tasks)
    monkeypatch.setattr(sparse_ease, "_TASK_BYTES", 600)
    settings = {"reg": 3.0, "dropout": 0.3, "user_weight": 0.8}
    plan = items.plan(train, signal=signal, user_weight=settings["user_weight"])
    folder = str(tmp_path / "model")
    found = sparse_ease.fit(spark, plan, EaseConfig(**settings), num_neighbors, folder)
    x = items.weights(signal)
    expected = items.sparse_ease(x, **settings, num_neighbors=num_neighbors)
    np.testing.assert_allclose(as_dense(found), expected, atol=1e-5)
    assert (as_dense(found) != 0).sum() == 16 * num_neighbors  # all movies but 5
    assert list(tmp_path.iterdir()) == []  # what tasks passed on is gone


@pytest.mark.parametrize("num_neighbors", [items.NUM_MOVIES - 1, 1000])
def test_with_all_other_movies_it_is_ease(
    spark: SparkSession, train: str, tmp_path: Path, num_neighbors: int
) -> None:
    settings = {"reg": 3.0, "dropout": 0.3, "user_weight": 0.8}
    plan = items.plan(train, user_weight=settings["user_weight"])
    folder = str(tmp_path / "model")
    found = sparse_ease.fit(spark, plan, EaseConfig(**settings), num_neighbors, folder)
    expected = items.ease(items.weights(items.STARS), **settings)
    np.testing.assert_allclose(as_dense(found), expected, atol=1e-5)


def test_movies_that_nobody_rated_together_follow_by_index() -> None:
    # Movie 1 has no rating, movie 3 none by a user of another movie.
    values = np.diag([4.0, 0, 1, 9, 1, 1]).astype(np.float32)
    values[0, 2] = values[2, 0] = 1
    values[0, 4] = values[4, 0] = 1
    values[2, 5] = values[5, 2] = 0.1
    found = sparse_ease.find_neighbors(GramRows(0, 1, values, np.diag(values).astype(float)), 3)
    assert found.movies.tolist() == [0, 2, 3, 4, 5]
    assert found.near.tolist() == [[2, 3, 4], [0, 3, 5], [0, 2, 4], [0, 2, 3], [0, 2, 3]]
    assert found.products[0].tolist() == [1, 0, 1]
    odd = GramRows(1, 2, values[1::2], np.diag(values).astype(float))
    some = sparse_ease.find_neighbors(odd, 3)
    assert some.movies.tolist() == [3, 5]
    assert some.near.tolist() == found.near[[2, 4]].tolist()


def test_a_catalogue_of_one_rated_movie_has_no_weights(spark: SparkSession, tmp_path: Path) -> None:
    ratings = np.full(items.RATINGS.shape, np.nan)
    ratings[:, 3] = 5
    plan = items.plan(items.write(tmp_path / "train", ratings))
    found = sparse_ease.fit(spark, plan, EaseConfig(), 10, str(tmp_path / "model"))
    assert not found.starts.any()


def test_neighbours_beyond_memory_are_refused_before_anything_starts(
    spark: SparkSession, train: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = items.plan(train, num_movies=60_000)
    # 60,000 · 200 pairs of 48 bytes and 2^28 beside them in the driver.
    sparse_ease.require_memory(plan, 200, 0, int(0.8 * 2**30))
    with pytest.raises(ConfigError, match=r"num_neighbors: found 200 of 60,000.* 0\.8 GiB.*Lower"):
        sparse_ease.require_memory(plan, 200, 0, int(0.7 * 2**30))
    # Two tasks beside it: of 14 that share 13.4 GiB of rows, with 8 bytes a pair and 2^28 each.
    sparse_ease.require_memory(plan, 200, 2, int(3.4 * 2**30))
    with pytest.raises(ConfigError, match=r"3\.4 GiB, and 3\.3 GiB"):
        sparse_ease.require_memory(plan, 200, 2, int(3.3 * 2**30))
    monkeypatch.setattr(sparse_ease, "free_memory_bytes", lambda: 0)
    with pytest.raises(ConfigError, match="of 17 movies"):
        sparse_ease.fit(spark, items.plan(train), EaseConfig(), 4, str(tmp_path / "m"))
    assert list(tmp_path.iterdir()) == []


def test_a_singular_matrix_names_the_setting(tmp_path: Path) -> None:
    ones = np.ones((3, 3), np.float32)
    rows = GramRows(0, 1, ones, np.ones(3))
    nearby = sparse_ease.find_neighbors(rows, 2)
    _, paths = sparse_ease.write_products(rows, nearby, [slice(0, 3)], str(tmp_path))
    settings = EaseConfig(reg=1e-30, dropout=0)
    with pytest.raises(DataError, match=r"baseline\.ease\.reg.*movie 0.*Raise it"):
        sparse_ease.solve(nearby, paths, settings)
