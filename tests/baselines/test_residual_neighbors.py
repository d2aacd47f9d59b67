"""Residual neighbours against a dense computation, pair by pair."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from recspark.arrays.user_buckets import locate
from recspark.baselines import residual_neighbors
from recspark.baselines.residual_neighbors import Plan, fit, sample
from recspark.config import Config, PrepareConfig, ResidualNeighborsConfig
from recspark.contract.catalog import TRAIN as TRAIN_SET
from recspark.contract.paths import RunPaths
from recspark.datasets.manifest import require_manifest
from recspark.datasets.train_buckets import TrainBuckets, locate_train
from recspark.errors import ConfigError, DataError
from recspark.saved.residuals import load_residuals
from recspark.scoring.block_scorers import ScorerFactory
from recspark.scoring.corrected import CorrectedModel
from recspark.scoring.predictors import FactorModel
from tests.baselines import dense
from tests.runs import write_prepared

NUM_USERS, NUM_MOVIES, NUM_BUCKETS = 41, 19, 4
RATINGS = dense.random_ratings(3, NUM_USERS, NUM_MOVIES, 0.4)
RATINGS[7], RATINGS[:, 5] = np.nan, np.nan
RNG = np.random.default_rng(12)
USERS, MOVIES = RNG.normal(0, 1, (NUM_USERS, 2)), RNG.normal(0, 1, (NUM_MOVIES, 2))
BASE = 3 + USERS @ MOVIES.T
MISSED = RATINGS - BASE
RATED = ~np.isnan(RATINGS)


def base_model() -> FactorModel:
    """Predicts BASE."""
    users = np.column_stack([USERS, np.ones(NUM_USERS)])
    movies = np.column_stack([MOVIES, np.full(NUM_MOVIES, 3.0)])
    return FactorModel(movies, lambda bucket: users[bucket::NUM_BUCKETS])


def dense_weights(similarity: str, num_neighbors: int) -> np.ndarray:
    """Return [movies, movies] with the `num_neighbors` largest of each row, one by one."""
    weights = np.zeros((NUM_MOVIES, NUM_MOVIES))
    for one in range(NUM_MOVIES):
        for other in range(NUM_MOVIES):
            both = RATED[:, one] & RATED[:, other]
            if one == other or not both.any():
                continue
            if similarity == "co_rating":
                either = RATED[:, one].sum() * RATED[:, other].sum()
                weights[one, other] = (both.sum() / np.sqrt(either)) ** 2
                continue
            left, right = MISSED[both, one], MISSED[both, other]
            rho = (left @ right) / np.sqrt((left @ left) * (right @ right))
            shrunk = rho * both.sum() / (both.sum() + 50)
            weights[one, other] = np.sign(shrunk) * abs(shrunk) ** 1.5
        least = sorted(range(NUM_MOVIES), key=lambda k: (-abs(weights[one, k]), k))[num_neighbors:]
        weights[one, least] = 0
    return weights


def dense_predictions(weights: np.ndarray, shrinkage: float) -> np.ndarray:
    """Return [users, movies] by the formula of the module."""
    found = BASE.copy()
    for user in range(NUM_USERS):
        for movie in range(NUM_MOVIES):
            mine = [k for k in range(NUM_MOVIES) if RATED[user, k]]
            total = sum(weights[movie, k] * MISSED[user, k] for k in mine)
            size = sum(abs(weights[movie, k]) for k in mine)
            found[user, movie] += total / (size + shrinkage)
    return found


@pytest.fixture(scope="module")
def train(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> TrainBuckets:
    root = str(tmp_path_factory.mktemp("run"))
    config = Config(name="t", run_dir=root, prepare=PrepareConfig(num_buckets=NUM_BUCKETS))
    cells = dense.cells(RATINGS)
    write_prepared(spark, config, train=cells, test=[], num_users=NUM_USERS, num_movies=NUM_MOVIES)
    path = RunPaths(root).train
    return locate_train(path, require_manifest(path, TRAIN_SET))


def plan(folder: Path, **settings: object) -> Plan:
    chosen = {"similarity": "co_rating", "num_neighbors": 6, "max_user_ratings": 99, **settings}
    return Plan(
        folder=str(folder),
        num_users=NUM_USERS,
        num_movies=NUM_MOVIES,
        num_buckets=NUM_BUCKETS,
        seed=1,
        **chosen,  # type: ignore[arg-type]
    )


def fit_model(spark: SparkSession, train: TrainBuckets, chosen: Plan) -> CorrectedModel:
    model = base_model()
    neighbors = fit(spark, train, lambda *pairs: model.predict(*pairs), chosen)
    folder = chosen.folder
    return CorrectedModel(model, neighbors, 0.3, lambda bucket: load_residuals(folder, bucket))


def predict_all(model: CorrectedModel) -> np.ndarray:
    found = np.empty((NUM_USERS, NUM_MOVIES))
    pairs = np.random.default_rng(0).permutation(list(np.ndindex(NUM_USERS, NUM_MOVIES)))
    for bucket in range(NUM_BUCKETS):
        users, movies = pairs[pairs[:, 0] % NUM_BUCKETS == bucket].T
        rows = locate(users, NUM_BUCKETS)[1]
        found[users, movies] = model.predict(bucket, rows, movies)
    return found


@pytest.mark.parametrize("similarity", ["co_rating", "correlation"])
@pytest.mark.parametrize("num_neighbors", [6, NUM_MOVIES])
def test_predictions_and_lists_are_those_of_the_formula(
    spark: SparkSession,
    train: TrainBuckets,
    tmp_path: Path,
    similarity: str,
    num_neighbors: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Over several blocks of movies, and of users and pairs."""
    one = plan(tmp_path, similarity=similarity, num_neighbors=num_neighbors)
    tables = {"co_rating": 3, "correlation": 6}[similarity]
    monkeypatch.setattr(residual_neighbors, "TASK_BYTES", 8 * NUM_MOVIES * tables * 5)
    assert one.block_movies == 5
    monkeypatch.setattr("recspark.scoring.corrected._USERS", 3)
    monkeypatch.setattr("recspark.scoring.corrected._PAIRS", 7)
    caplog.set_level(logging.INFO)
    model = fit_model(spark, train, one)
    expected = dense_predictions(dense_weights(similarity, num_neighbors), 0.3)
    np.testing.assert_allclose(predict_all(model), expected, atol=1e-5)
    assert np.abs(expected - BASE).max() > 0.2
    pairs = int(np.square(RATED.sum(axis=1)).sum()) * (tables - 2)
    assert f"{pairs:.3g} products of ratings for 19 movies, in 4 tasks" in caplog.text
    assert "count for similarities" not in caplog.text
    candidates, rows = np.array([2, 3, 11, 18]), np.array([4, 0, 1])
    block = np.zeros((3, 3), np.float32)
    ScorerFactory(model, candidates).for_users(1, rows).fill(slice(1, 4), block)
    wanted = expected[1::NUM_BUCKETS][np.ix_(rows, candidates[1:])].T
    np.testing.assert_allclose(block, wanted, atol=1e-5)


def test_users_with_many_ratings_count_with_a_sample(
    spark: SparkSession, train: TrainBuckets, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Similarities see the sample alone, predictions all ratings."""
    one = plan(tmp_path, num_neighbors=NUM_MOVIES, max_user_ratings=6)
    model = fit_model(spark, train, one)
    counts = RATED.sum(axis=1)
    above = int((counts > 6).sum())
    assert f"{above} of {(counts > 0).sum()} users have more than 6 ratings" in caplog.text
    seen = np.zeros((NUM_USERS, NUM_MOVIES), bool)
    for bucket in range(NUM_BUCKETS):
        drawn = sample(load_residuals(one.folder, bucket), bucket, one)
        seen[bucket::NUM_BUCKETS] = drawn.toarray() != 0
    assert (seen <= RATED).all()
    assert (seen[counts <= 6] == RATED[counts <= 6]).all()
    assert 5 < seen[counts > 6].sum(axis=1).mean() < 7
    both = seen.T.astype(float) @ seen
    weights = both**2 / np.maximum(np.outer(np.diag(both), np.diag(both)), 1)
    np.fill_diagonal(weights, 0)
    np.testing.assert_allclose(predict_all(model), dense_predictions(weights, 0.3), atol=1e-5)


def test_missing_and_damaged_arrays_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"bucket-00002\.npz: found no such file"):
        load_residuals(str(tmp_path), 2)
    (tmp_path / "residuals").mkdir()
    (tmp_path / "residuals" / "bucket-00002.npz").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(DataError, match=r"bucket-00002\.npz: found a damaged file"):
        load_residuals(str(tmp_path), 2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"base": "blend"}, r"base: found blend, expected a model other than the blend"),
        ({"base": "../x"}, r"base: found '\.\./x'"),
        ({"num_neighbors": 0}, r"num_neighbors: found 0"),
        ({"shrinkage": 0.0}, r"shrinkage: found 0\.0, expected a number above 0"),
    ],
)
def test_settings_are_checked(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ResidualNeighborsConfig(**settings)  # type: ignore[arg-type]
