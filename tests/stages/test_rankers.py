"""Models that rank, from their config to lists, against dense NumPy."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from recspark.config import Config, SignalConfig, SimilarConfig
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
from tests.baselines import items
from tests.runs import movie_id
from tests.stages import ranked
from tests.stages.ranked import EASE, IN_TRAIN, KNOWN, SIGNAL, TRAIN, of


@pytest.fixture(scope="module")
def config(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Config:
    return ranked.write_run(spark, tmp_path_factory.mktemp("rankers"))


@pytest.mark.parametrize(
    ("algorithm", "refit"),
    [("popularity", True), ("item_knn", True), ("ease", True), ("ease", False)],
)
def test_lists_are_the_highest_scores_of_unseen_movies(
    spark: SparkSession, config: Config, algorithm: str, refit: bool
) -> None:
    one, name = of(config, algorithm, refit), f"{algorithm}_{refit}"
    baseline.run(one, name, spark)
    recommend.run(one, name, spark)
    table = ranked.scores(algorithm, KNOWN if refit else TRAIN)
    ranked.assert_best(ranked.read_lists(spark, one, name), table)


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
    num_ratings = (~np.isnan(TRAIN)).sum(axis=0)
    table = items.ease(items.weights(SIGNAL, TRAIN), **EASE) / np.sqrt(num_ratings + 30)
    found: dict[int, list[int]] = {}
    for row in sorted(rows, key=lambda row: (row[c.MOVIE_ID], row[c.RANK])):
        found.setdefault(row[c.MOVIE_ID], []).append(row[c.SIMILAR_MOVIE_ID])
        assert (row[c.SIMILAR_TITLE] == "First") == (row[c.SIMILAR_MOVIE_ID] == movie_id(0))
    for movie in IN_TRAIN:
        best = sorted(IN_TRAIN, key=lambda other: -table[movie, other])[:3]
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
        stars = [0.1, 0.2, 0.5, 1.0, 1.3]
        ratings = [1.0, 2.0, 3.0, 4.0, 5.0]
        assert card["signal_weights"] == {"ratings": ratings, "weights": stars, "lowest": None}
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
    expected = ranked.scores("item_knn", signal=items.LIKES)
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
