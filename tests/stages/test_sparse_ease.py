"""EASE on the nearest movies, from its config to lists with reasons, against dense NumPy."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from recspark.config import BaselineConfig, Config, EaseConfig, PrepareConfig, RecommendConfig
from recspark.config.signal import SignalConfig
from recspark.contract import columns as c
from recspark.contract.paths import RunPaths
from recspark.scoring.lineage import require_model
from recspark.scoring.load import open_model
from recspark.stages import baseline, recommend, recommend_new
from tests.baselines import dense, items
from tests.runs import movie_id, user_id, write_prepared

STARS = (0.1, 0.2, 0.5, 1.0, 1.3)
EASE = {"reg": 2.0, "dropout": 0.2, "user_weight": 0.5}
NUM_NEIGHBORS = 4
X = np.where(
    np.isnan(items.RATINGS), 0, np.interp(np.nan_to_num(items.RATINGS), range(1, 6), STARS)
)
TABLE = items.sparse_ease(X, **EASE, num_neighbors=NUM_NEIGHBORS)


@pytest.fixture(scope="module")
def config(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Config:
    ease = EaseConfig(**EASE, num_neighbors=NUM_NEIGHBORS)  # type: ignore[arg-type]
    config = Config(
        name="t",
        run_dir=str(tmp_path_factory.mktemp("sparse_ease")),
        prepare=PrepareConfig(num_buckets=items.NUM_BUCKETS),
        signal=SignalConfig(weights=STARS),
        baseline=BaselineConfig(algorithm="ease", ease=ease),
        recommend=RecommendConfig(top_n=5, reasons=20),
    )
    sizes = {"num_users": items.NUM_USERS, "num_movies": items.NUM_MOVIES}
    write_prepared(spark, config, train=dense.cells(items.RATINGS), valid=[], test=[], **sizes)
    baseline.run(config, "ease", spark)
    return config


def test_lists_and_reasons_are_those_of_its_weights(spark: SparkSession, config: Config) -> None:
    recommend.run(config, "ease", spark)
    found: dict[int, list[dict]] = {}
    path = RunPaths(config.root).recommendations("ease")
    for row in pq.read_table(path).sort_by(c.RANK).to_pylist():
        found.setdefault(row[c.USER_ID], []).append(row)
    scores = np.where(np.isnan(items.RATINGS), X @ TABLE, -np.inf)
    scores[:, 5] = -np.inf  # nobody rated it
    for user in range(items.NUM_USERS):
        best = [int(k) for k in np.argsort(-scores[user], kind="stable")[:5]]
        best = [movie for movie in best if scores[user, movie] not in (0, -np.inf)]
        rows = found.get(user_id(user), [])
        assert [row[c.MOVIE_ID] for row in rows] == [movie_id(movie) for movie in best]
        for row, movie in zip(rows, best, strict=True):
            assert row[c.SCORE] == pytest.approx(scores[user, movie], abs=1e-4)
            added = X[user] * TABLE[:, movie]
            expected = {movie_id(k): added[k] for k in range(items.NUM_MOVIES) if added[k] > 0}
            named = {one[c.MOVIE_ID]: one[c.CONTRIBUTION] for one in row[c.REASONS]}
            assert named == pytest.approx(expected, abs=1e-4)


def test_a_users_own_history_gives_his_own_list(
    spark: SparkSession, config: Config, tmp_path: Path
) -> None:
    path = tmp_path / "new.csv"
    rows = [
        f"{user_id(u) + 10**6},{movie_id(m)},{rating}"
        for u, m, rating in dense.cells(items.RATINGS)
    ]
    path.write_text("\n".join(["userId,movieId,rating", *rows]))
    settings = dataclasses.replace(config.recommend, histories=str(path), reasons=0)
    one = dataclasses.replace(config, recommend=settings)
    recommend.run(dataclasses.replace(config, force=True), "ease", spark)
    recommend_new.run(one, "ease", spark)
    paths = RunPaths(config.root)
    columns = [c.USER_ID, c.RANK, c.MOVIE_ID, c.SCORE]
    order = [(c.USER_ID, "ascending"), (c.RANK, "ascending")]
    own, new = (
        pq.read_table(folder, columns=columns).sort_by(order).to_pydict()
        for folder in (paths.recommendations("ease"), paths.new_recommendations("ease"))
    )
    assert [user - 10**6 for user in new[c.USER_ID]] == own[c.USER_ID]
    assert new[c.MOVIE_ID] == own[c.MOVIE_ID]
    np.testing.assert_allclose(new[c.SCORE], own[c.SCORE], atol=1e-5)


def test_pairs_are_scored_by_its_weights(config: Config) -> None:
    model = open_model(require_model(config, "ease")[0])
    expected = X @ TABLE
    for bucket in range(items.NUM_BUCKETS):
        users = np.arange(bucket, items.NUM_USERS, items.NUM_BUCKETS)
        rows = np.repeat(np.arange(len(users)), items.NUM_MOVIES)
        movies = np.tile(np.arange(items.NUM_MOVIES), len(users))
        found = model.predict(bucket, rows, movies).reshape(len(users), -1)
        np.testing.assert_allclose(np.nan_to_num(found), expected[users], atol=1e-5)
