"""A run of models that rank, and their scores and lists by NumPy."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from pyspark.sql import SparkSession

from recspark.config import (
    BaselineConfig,
    Config,
    EaseConfig,
    ItemKnnConfig,
    PrepareConfig,
    RecommendConfig,
    SignalConfig,
)
from recspark.contract import columns as c
from recspark.contract import schemas
from recspark.contract.paths import RunPaths
from recspark.datasets.signal import Signal
from recspark.files import parquet
from tests.baselines import dense, items
from tests.runs import movie_id, user_id, write_prepared

Lists = dict[int, list[tuple[int, float]]]
"""User to (movie, score), by raw id, best first."""

STARS = (0.1, 0.2, 0.5, 1.0, 1.3)
SIGNAL = Signal((1.0, 2.0, 3.0, 4.0, 5.0), STARS)
IN_VALID = np.random.default_rng(3).random(items.RATINGS.shape) < 0.15
IN_TEST = ~IN_VALID & (np.random.default_rng(4).random(items.RATINGS.shape) < 0.2)
TRAIN = np.where(IN_VALID | IN_TEST, np.nan, items.RATINGS)
VALID = np.where(IN_VALID, items.RATINGS, np.nan)
TEST = np.where(IN_TEST, items.RATINGS, np.nan)
KNOWN = np.where(IN_TEST, np.nan, items.RATINGS)
"""Train and valid."""
IN_TRAIN = np.flatnonzero((~np.isnan(TRAIN)).any(axis=0))
"""Movies with a rating in train."""
EASE = {"reg": 2.0, "dropout": 0.2, "user_weight": 0.5}
KNN: dict[str, Any] = {"num_neighbors": 6, "shrinkage": 1.0, "asymmetry": 0.6, "user_weight": 0.5}


def write_run(spark: SparkSession, root: Path) -> Config:
    """Write the prepared run and return its config."""
    config = Config(
        name="t",
        run_dir=str(root),
        prepare=PrepareConfig(num_buckets=items.NUM_BUCKETS),
        signal=SignalConfig(weights=STARS),
        baseline=BaselineConfig(ease=EaseConfig(**EASE), item_knn=ItemKnnConfig(**KNN)),
        recommend=RecommendConfig(top_n=5),
    )
    write_prepared(
        spark,
        config,
        train=dense.cells(TRAIN),
        valid=dense.cells(VALID),
        test=dense.cells(TEST),
        num_users=items.NUM_USERS,
        num_movies=items.NUM_MOVIES,
    )
    return config


def of(config: Config, algorithm: str, refit: bool = True) -> Config:
    """Return the config of a model."""
    own = dataclasses.replace(config.baseline, algorithm=algorithm, refit=refit)  # type: ignore[arg-type]
    return dataclasses.replace(config, baseline=own)


def scores(algorithm: str, known: np.ndarray = KNOWN, signal: Signal = SIGNAL) -> np.ndarray:
    """Return the scores of all users and movies; NaN where none of a user's movies has a weight."""
    x = items.weights(signal, known)
    if algorithm == "popularity":
        return np.tile(x.sum(axis=0), (len(x), 1))
    table = items.ease(x, **EASE) if algorithm == "ease" else items.nearest(x, **KNN)
    return np.where((x > 0).astype(float) @ (np.abs(table) > 1e-9) > 0, x @ table, np.nan)


def read_lists(spark: SparkSession, config: Config, name: str) -> Lists:
    """Return a model's lists."""
    path = RunPaths(config.root).recommendations(name)
    rows = parquet.read_dataset(spark, path, schemas.RECOMMENDATIONS).collect()
    found: Lists = {}
    for row in sorted(rows, key=lambda row: (row[c.USER_ID], row[c.RANK])):
        found.setdefault(row[c.USER_ID], []).append((row[c.MOVIE_ID], row[c.SCORE]))
    return found


def assert_best(
    found: Lists, table: np.ndarray, candidates: np.ndarray = IN_TRAIN, tolerance: float = 1e-5
) -> None:
    """Check that lists are the five best candidates of each user with a rating in train."""
    is_listed = np.isin(np.arange(items.NUM_MOVIES), candidates)
    table = np.where(~np.isnan(KNOWN) | ~is_listed | np.isnan(table), -np.inf, table)
    for user in range(items.NUM_USERS):
        if np.isnan(TRAIN[user]).all():
            assert user_id(user) not in found
            continue
        order = np.argsort(-table[user], kind="stable")[:5]
        best = [movie for movie in order if table[user, movie] > -np.inf]
        got = found[user_id(user)]
        assert [movie for movie, _ in got] == [movie_id(movie) for movie in best]
        np.testing.assert_allclose(
            [s for _, s in got], table[user, best], rtol=2e-3, atol=tolerance
        )
