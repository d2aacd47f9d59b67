"""Models that rank, from their config to lists, against dense NumPy."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession

from recspark.config import (
    BaselineConfig,
    Config,
    EaseConfig,
    ItemKnnConfig,
    PrepareConfig,
    RecommendConfig,
    SignalConfig,
    SimilarConfig,
)
from recspark.contract import columns as c
from recspark.contract import schemas
from recspark.contract.paths import RANKS_ONLY, RunPaths
from recspark.contract.schemas import IdTypes
from recspark.datasets.manifest import read_manifest
from recspark.datasets.step import Step
from recspark.files import parquet
from recspark.scoring.lineage import require_model
from recspark.scoring.load import open_model, read_card
from recspark.stages import baseline, recommend, similar
from tests.baselines import dense, items
from tests.runs import movie_id, user_id, write_prepared

STARS = (0.1, 0.2, 0.5, 1.0, 1.3)
IN_VALID = np.random.default_rng(3).random(items.RATINGS.shape) < 0.15
TRAIN = np.where(IN_VALID, np.nan, items.RATINGS)
VALID = np.where(IN_VALID, items.RATINGS, np.nan)
EASE = {"reg": 2.0, "dropout": 0.2, "user_weight": 0.5}
KNN: dict[str, Any] = {
    "num_neighbors": 6,
    "shrinkage": 1.0,
    "asymmetry": 0.6,
    "user_weight": 0.5,
}


@pytest.fixture(scope="module")
def config(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Config:
    root = str(tmp_path_factory.mktemp("rankers"))
    config = Config(
        name="t",
        run_dir=root,
        prepare=PrepareConfig(num_buckets=items.NUM_BUCKETS),
        signal=SignalConfig(weights=STARS),
        baseline=BaselineConfig(ease=EaseConfig(**EASE), item_knn=ItemKnnConfig(**KNN)),
        recommend=RecommendConfig(top_n=5),
    )
    sizes = {"num_users": items.NUM_USERS, "num_movies": items.NUM_MOVIES}
    cells, valid = dense.cells(TRAIN), dense.cells(VALID)
    write_prepared(spark, config, train=cells, valid=valid, test=[], **sizes)
    return config


def of(config: Config, algorithm: str, refit: bool) -> Config:
    own = dataclasses.replace(config.baseline, algorithm=algorithm, refit=refit)  # type: ignore[arg-type]
    return dataclasses.replace(config, baseline=own)


def scores(algorithm: str, refit: bool, kind: str = "stars") -> np.ndarray:
    """Return the scores of all users and movies; NaN where none of a user's movies has a weight."""
    known = items.RATINGS if refit else TRAIN
    if kind == "likes":
        x = (np.nan_to_num(known) >= 4).astype(float)
    else:
        x = np.where(np.isnan(known), 0, np.interp(np.nan_to_num(known), range(1, 6), STARS))
    if algorithm == "popularity":
        return np.tile(x.sum(axis=0), (len(x), 1))
    table = items.ease(x, **EASE) if algorithm == "ease" else items.nearest(x, **KNN)
    return np.where((x > 0).astype(float) @ (np.abs(table) > 1e-9) > 0, x @ table, np.nan)


@pytest.mark.parametrize("refit", [True, False])
@pytest.mark.parametrize("algorithm", ["popularity", "item_knn", "ease"])
def test_lists_are_the_highest_scores_of_unseen_movies(
    spark: SparkSession, config: Config, algorithm: str, refit: bool
) -> None:
    one, name = of(config, algorithm, refit), f"{algorithm}_{refit}"
    baseline.run(one, name, spark)
    recommend.run(one, name, spark)
    path = RunPaths(one.root).recommendations(name)
    rows = parquet.read_dataset(spark, path, schemas.RECOMMENDATIONS).collect()
    found: dict[int, list[tuple[int, float]]] = {}
    for row in sorted(rows, key=lambda row: (row[c.USER_ID], row[c.RANK])):
        found.setdefault(row[c.USER_ID], []).append((row[c.MOVIE_ID], row[c.SCORE]))
    table = scores(algorithm, refit)
    rated_in_train = (~np.isnan(TRAIN)).sum(axis=0) > 0
    table[~np.isnan(items.RATINGS) | ~rated_in_train | np.isnan(table)] = -np.inf
    for user in range(items.NUM_USERS):
        if np.isnan(TRAIN[user]).all():
            assert user_id(user) not in found
            continue
        order = np.argsort(-table[user], kind="stable")[:5]
        best = [movie for movie in order if table[user, movie] > -np.inf]
        got = found[user_id(user)]
        assert [movie for movie, _ in got] == [movie_id(movie) for movie in best]
        np.testing.assert_allclose([s for _, s in got], table[user, best], rtol=2e-3, atol=1e-5)


def test_similar_movies_are_those_of_the_highest_weight_for_their_popularity(
    spark: SparkSession, config: Config
) -> None:
    paths = RunPaths(config.root)
    with Step("ingest", {}, {}, [paths.movies]) as step:
        schema = schemas.MOVIES.with_ids(IdTypes())
        frame = spark.createDataFrame([(movie_id(0), 1990, "First", None)], schema.ddl)
        parquet.write_dataset(frame, step.staging(paths.movies), schema)
        step.publish(paths.movies, schema)
    one = dataclasses.replace(of(config, "ease", False), similar=SimilarConfig(top_n=3))
    baseline.run(one, "alike", spark)
    similar.run(one, "alike", spark)
    path = paths.similar_movies("alike")
    rows = parquet.read_dataset(spark, path, schemas.SIMILAR_MOVIES).collect()
    x = np.where(np.isnan(TRAIN), 0, np.interp(np.nan_to_num(TRAIN), range(1, 6), STARS))
    num_ratings = (~np.isnan(TRAIN)).sum(axis=0)
    table = items.ease(x, **EASE) / np.sqrt(num_ratings + 30)
    known = np.flatnonzero(num_ratings)
    found: dict[int, list[int]] = {}
    for row in sorted(rows, key=lambda row: (row[c.MOVIE_ID], row[c.RANK])):
        found.setdefault(row[c.MOVIE_ID], []).append(row[c.SIMILAR_MOVIE_ID])
        assert (row[c.SIMILAR_TITLE] == "First") == (row[c.SIMILAR_MOVIE_ID] == movie_id(0))
    for movie in known:
        best = sorted(known, key=lambda other: -table[movie, other])[:3]
        expected = [movie_id(other) for other in best if table[movie, other] > 0]
        assert found.get(movie_id(movie), []) == expected


def test_the_card_says_what_was_learned_from(spark: SparkSession, config: Config) -> None:
    for refit in (True, False):
        one = of(config, "ease", refit)
        baseline.run(one, f"card_{refit}", spark)
        folder = RunPaths(one.root).model(f"card_{refit}")
        card = read_card(folder)
        assert card[RANKS_ONLY] is True
        assert card["refit"] is refit
        assert card["signal_weights"] == {
            "ratings": [1.0, 2.0, 3.0, 4.0, 5.0],
            "weights": list(STARS),
            "lowest": None,
        }
        manifest = read_manifest(folder)
        assert manifest is not None
        assert ("valid" in manifest.inputs) is refit


def test_pairs_are_scored_by_the_signal_that_was_learned_from(
    spark: SparkSession, config: Config
) -> None:
    likes = dataclasses.replace(config, signal=SignalConfig(kind="likes"))
    one = of(likes, "item_knn", True)
    baseline.run(one, "likes", spark)
    model = open_model(require_model(one, "likes")[0])
    expected = scores("item_knn", True, "likes")
    for bucket in range(items.NUM_BUCKETS):
        users = np.arange(bucket, items.NUM_USERS, items.NUM_BUCKETS)
        rows = np.repeat(np.arange(len(users)), items.NUM_MOVIES)
        movies = np.tile(np.arange(items.NUM_MOVIES), len(users))
        found = model.predict(bucket, rows, movies).reshape(len(users), -1)
        np.testing.assert_allclose(found, expected[users], rtol=1e-4)


def test_a_model_that_lost_its_weights_says_so(
    spark: SparkSession, config: Config, tmp_path: Path
) -> None:
    from recspark.errors import DataError
    from recspark.saved.items import read_dense, read_sparse

    for read, name in ((read_dense, "weights.npy"), (read_sparse, "weights.npz")):
        with pytest.raises(DataError, match="no such file"):
            read(str(tmp_path))
        (tmp_path / name).write_bytes(b"no array")
        with pytest.raises(DataError, match="damaged"):
            read(str(tmp_path))
