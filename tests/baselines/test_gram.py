"""The Gram matrix and what is made of it, against dense NumPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from recspark.baselines import ease, gram, item_knn
from recspark.baselines.gram import GramRows, map_rows, sum_rows
from recspark.config import EaseConfig, ItemKnnConfig
from recspark.datasets.signal import Signal
from recspark.errors import ConfigError, DataError
from recspark.saved.items import SparseWeights
from tests.baselines import items

SIGNALS = [
    pytest.param(items.STARS, id="stars"),
    pytest.param(items.LIKES, id="likes"),
    pytest.param(items.EVENTS, id="events"),
]


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


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("user_weight", [0.0, 0.7])
@pytest.mark.parametrize("num_tasks", [1, 3, items.NUM_MOVIES])
def test_rows_dealt_to_tasks_make_the_whole_matrix(
    train: str, signal: Signal, user_weight: float, num_tasks: int
) -> None:
    expected = items.gram(items.weights(signal), user_weight)
    for is_whole in (True, False):
        plan = items.plan(train, signal=signal, user_weight=user_weight, is_whole=is_whole)
        found = np.full(expected.shape, np.nan)
        for number in range(num_tasks):
            rows = sum_rows(plan, number, num_tasks)
            found[list(rows.movies)] = rows.values
            np.testing.assert_allclose(rows.diagonal, np.diag(expected), rtol=1e-5)
        wanted = expected if is_whole else np.triu(expected)
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_the_number_of_buckets_changes_nothing(train: str, tmp_path: Path) -> None:
    other = items.write(tmp_path / "other", num_buckets=9)
    found = [
        sum_rows(items.plan(train), 1, 2).values,
        sum_rows(items.plan(other, num_buckets=9), 1, 2).values,
    ]
    np.testing.assert_allclose(*found, rtol=1e-6)


def test_a_user_of_two_data_sets_is_one_user(tmp_path: Path) -> None:
    in_valid = np.random.default_rng(2).random(items.RATINGS.shape) < 0.3
    train = items.write(tmp_path / "train", np.where(in_valid, np.nan, items.RATINGS))
    valid = items.write(tmp_path / "valid", np.where(in_valid, items.RATINGS, np.nan))
    found = sum_rows(items.plan(train, valid), 0, 1).values
    np.testing.assert_allclose(
        found, np.triu(items.gram(items.weights(items.STARS), 0.5)), rtol=1e-5, atol=1e-6
    )


def test_there_are_more_tasks_than_cores_where_rows_take_too_much_memory(
    spark: SparkSession, train: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = items.plan(train)
    assert plan.num_tasks(2) == 2
    assert plan.num_tasks(99) == items.NUM_MOVIES
    monkeypatch.setattr(gram, "TASK_BYTES", 4 * items.NUM_MOVIES * 4)  # four rows
    assert plan.num_tasks(2) == 5
    found = map_rows(spark, plan, lambda rows: list(rows.movies))
    assert sorted(movie for part in found for movie in part) == list(range(items.NUM_MOVIES))


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize(
    "settings",
    [
        {"reg": 3.0, "dropout": 0.0, "user_weight": 0.0},
        {"reg": 0.5, "dropout": 0.0, "user_weight": 0.0},
        {"reg": 3.0, "dropout": 0.4, "user_weight": 0.0},
        {"reg": 3.0, "dropout": 0.3, "user_weight": 0.8},
    ],
)
def test_ease_is_the_closed_form(
    spark: SparkSession, train: str, tmp_path: Path, signal: Signal, settings: dict[str, float]
) -> None:
    own = EaseConfig(**settings)
    plan = items.plan(train, signal=signal, user_weight=own.user_weight)
    folder = tmp_path / "model"
    found = ease.fit(spark, plan, reg=own.reg, dropout=own.dropout, folder=str(folder))
    expected = items.ease(items.weights(signal), **settings)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)
    assert np.abs(found).max() > 0.1
    assert not found[5].any()
    assert not found[:, 5].any()
    assert list(tmp_path.iterdir()) == []  # what tasks passed on is gone


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize(
    "settings",
    [
        {"num_neighbors": 99, "shrinkage": 0.0, "asymmetry": 0.5, "user_weight": 0.0},
        {"num_neighbors": 4, "shrinkage": 2.0, "asymmetry": 0.5, "user_weight": 0.0},
        {"num_neighbors": 4, "shrinkage": 1.0, "asymmetry": 0.8, "user_weight": 1.0},
        {"num_neighbors": 1, "shrinkage": 0.0, "asymmetry": 0.0, "user_weight": 0.3},
    ],
)
def test_item_knn_keeps_the_nearest_of_each_movie(
    spark: SparkSession, train: str, signal: Signal, settings: dict[str, float]
) -> None:
    own = ItemKnnConfig(**settings)  # type: ignore[arg-type]
    plan = items.plan(train, signal=signal, user_weight=own.user_weight, is_whole=True)
    found = as_dense(item_knn.fit(spark, plan, own))
    expected = items.nearest(items.weights(signal), **settings)  # type: ignore[arg-type]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_ties_of_neighbours_go_to_the_lower_movie() -> None:
    rows = GramRows(0, 1, np.ones((4, 4), np.float32), np.ones(4))
    targets, movies, values = item_knn.find_nearest(
        rows, ItemKnnConfig(num_neighbors=2, shrinkage=10)
    )
    assert list(zip(targets.tolist(), movies.tolist(), strict=True)) == [
        *[(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1), (3, 0), (3, 1)]
    ]
    np.testing.assert_allclose(values, 1 / 11)


def test_a_catalogue_beyond_memory_is_refused_before_anything_starts(
    spark: SparkSession, train: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ease.require_memory(10_000, 2**30)
    with pytest.raises(ConfigError) as caught:
        ease.require_memory(50_000, 8 * 2**30)
    for part in ("50,000 movies", "9.6 GiB", "8.0 GiB", "min_ratings_per_movie", "num_neighbors"):
        assert part in str(caught.value)
    monkeypatch.setattr(ease, "free_memory_bytes", lambda: 0)
    with pytest.raises(ConfigError, match="17 movies"):
        ease.fit(spark, items.plan(train), reg=1, dropout=0, folder=str(tmp_path / "m"))
    assert list(tmp_path.iterdir()) == []


def test_a_singular_matrix_names_the_setting() -> None:
    matrix = np.ones((3, 3), np.float32)
    with pytest.raises(DataError, match=r"baseline\.ease\.reg.*Raise it"):
        ease.solve(matrix, reg=1e-12, dropout=0)
