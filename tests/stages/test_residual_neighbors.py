"""residual_neighbors as a model of a run: after its base, with it, and in a blend."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from recspark.blend.fit import attach_predictions, member_column
from recspark.config import (
    BaselineConfig,
    BlendConfig,
    Config,
    PrepareConfig,
    ResidualNeighborsConfig,
    TrainConfig,
)
from recspark.config.order import bases_first
from recspark.contract import columns as c
from recspark.contract.catalog import MODELS, TRAIN
from recspark.contract.paths import RunPaths
from recspark.datasets.manifest import require_manifest
from recspark.datasets.train_buckets import read_bucket
from recspark.errors import ConfigError, DataError
from recspark.notebook.model import Model
from recspark.saved.residuals import load_neighbors
from recspark.saved.weights import load_first_fit
from recspark.scoring.lineage import saved_model
from recspark.scoring.load import open_model, open_valid
from recspark.scoring.predict import Scoring
from recspark.stages import baseline, blend, evaluate, pipeline, score, score_pairs, train
from tests.runs import movie_id, user_id, write_prepared
from tests.stages.test_blend import CELLS, NUM_MOVIES, NUM_USERS

NUM_BUCKETS, SHRINKAGE = 4, 0.2
TRAIN_CELLS, VALID_CELLS, TEST_CELLS = CELLS[:500], CELLS[500:650], CELLS[650:]


@dataclasses.dataclass(frozen=True)
class Made:
    """A run with bias, a refitted biased_mf, and its residual neighbours."""

    config: Config
    models: dict[str, Config]


def settings(config: Config) -> dict[str, Config]:
    mf = TrainConfig(
        architecture="biased_mf",
        embedding_size=4,
        epochs=6,
        learning_rate=0.05,
        batch_size=64,
        refit=True,
    )
    near = ResidualNeighborsConfig(base="mf", num_neighbors=8, shrinkage=SHRINKAGE)
    return {
        "near": dataclasses.replace(
            config, baseline=BaselineConfig(algorithm="residual_neighbors", residual_neighbors=near)
        ),
        "bias": dataclasses.replace(config, baseline=BaselineConfig(algorithm="bias")),
        "mf": dataclasses.replace(config, train=mf),
    }


@pytest.fixture(scope="module")
def made(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Made:
    config = Config(
        name="t",
        run_dir=str(tmp_path_factory.mktemp("run")),
        models=("near", "bias", "mf"),
        prepare=PrepareConfig(num_buckets=NUM_BUCKETS),
        blend=BlendConfig(members=("bias", "near"), reg=0.01),
    )
    write_prepared(
        spark,
        config,
        train=TRAIN_CELLS,
        valid=VALID_CELLS,
        test=TEST_CELLS,
        num_users=NUM_USERS,
        num_movies=NUM_MOVIES,
    )
    models = settings(config)
    for name, one in bases_first(models).items():
        (baseline if one.baseline.algorithm else train).run(one, name, spark)
    for name, one in models.items():
        score.run(one, name, spark)
    blend.run(config, spark)
    return Made(config, models)


@pytest.fixture
def copied(made: Made, tmp_path: Path) -> Made:
    shutil.copytree(made.config.root, tmp_path / "run")
    root = str(tmp_path / "run")
    models = {n: dataclasses.replace(one, run_dir=root) for n, one in made.models.items()}
    return Made(dataclasses.replace(made.config, run_dir=root), models)


def base_predictions(root: str) -> np.ndarray:
    """Return what the refitted base says of every pair, [users, movies]."""
    paths = RunPaths(root)
    of_train = require_manifest(paths.train, TRAIN)
    found = saved_model(paths, "mf", require_manifest(paths.model("mf"), MODELS), of_train)
    table = np.empty((NUM_USERS, NUM_MOVIES))
    for user in range(NUM_USERS):
        rows = np.full(NUM_MOVIES, user // NUM_BUCKETS)
        table[user] = open_model(found).predict(user % NUM_BUCKETS, rows, np.arange(NUM_MOVIES))
    return table


def left_over(root: str) -> np.ndarray:
    """Return what the base model leaves of train, [users, movies]; NaN elsewhere."""
    missed = np.full((NUM_USERS, NUM_MOVIES), np.nan)
    table = base_predictions(root)
    for user, movie, rating in TRAIN_CELLS:
        missed[user, movie] = rating - table[user, movie]
    return missed


def left_over_at_first(root: str) -> np.ndarray:
    """Return the same of the base model's first fit."""
    missed = np.full((NUM_USERS, NUM_MOVIES), np.nan)
    for bucket in range(NUM_BUCKETS):
        known = load_first_fit(RunPaths(root).model("mf"), bucket)
        assert known is not None
        columns = [c.USER_INDEX, c.MOVIE_INDEX, c.RATING]
        users, movies, ratings = read_bucket(RunPaths(root).train, bucket, columns)
        missed[users, movies] = ratings - known[0].numpy()
    return missed


def corrections(root: str, missed: np.ndarray) -> np.ndarray:
    """Return what residuals [users, movies] of train add to every pair, by the formula."""
    found = load_neighbors(RunPaths(root).model("near"))
    weights = np.zeros((NUM_MOVIES, NUM_MOVIES))
    for movie in range(NUM_MOVIES):
        weights[movie, found.movies[movie]] = found.weights[movie]
    assert (np.diag(weights) == 0).all()
    total = np.nan_to_num(missed) @ weights.T
    return total / (~np.isnan(missed) @ np.abs(weights).T + SHRINKAGE)


def scoring_of(root: str) -> Scoring:
    paths = RunPaths(root)
    of_train = require_manifest(paths.train, TRAIN)
    near, bias = (
        saved_model(paths, name, require_manifest(paths.model(name), MODELS), of_train)
        for name in ("near", "bias")
    )
    return Scoring(near, bias, 1.0, 5.0)


def test_test_and_pairs_are_predicted_by_base_and_residuals_of_train(
    spark: SparkSession, made: Made, tmp_path: Path
) -> None:
    root = made.config.root
    table = np.clip(base_predictions(root) + corrections(root, left_over(root)), 1, 5)
    rows = spark.read.parquet(RunPaths(root).predictions("near")).collect()
    answered = [row for row in rows if row[c.FALLBACK] is None]
    assert len(answered) > 20
    for row in answered:
        expected = table[row[c.USER_INDEX], row[c.MOVIE_INDEX]]
        assert row[c.PREDICTION] == pytest.approx(expected, abs=1e-5)
    asked = Model(root, "near").predict([user_id(3), user_id(8)], [movie_id(4), movie_id(9)])
    np.testing.assert_allclose(asked, [table[3, 4], table[8, 9]], atol=1e-5)


def test_no_rating_of_valid_enters_what_the_blend_learns_from(
    spark: SparkSession, made: Made
) -> None:
    """The base saw valid when it was refitted. Its first fit did not, nor do its residuals."""
    root = made.config.root
    scoring = scoring_of(root)
    rows = attach_predictions(spark, RunPaths(root).valid, list(range(NUM_BUCKETS)), [scoring])
    found: dict[int, list[float]] = {}
    for row in rows.collect():
        found.setdefault(row[c.USER_INDEX], []).append(row[member_column(0)])
    added, final = corrections(root, left_over_at_first(root)), base_predictions(root)
    assert np.abs(added - corrections(root, left_over(root))).max() > 0.02
    num_checked, moved = 0, 0.0
    for bucket in range(NUM_BUCKETS):
        known = open_valid(scoring.model, bucket)
        assert known is not None
        pairs = read_bucket(RunPaths(root).valid, bucket, [c.USER_INDEX, c.MOVIE_INDEX])
        for user, movie, first in zip(*pairs, known, strict=True):
            answer = found[user].pop(0)
            if np.isnan(first):
                continue
            expected = np.clip(first + added[user, movie], 1, 5)
            assert answer == pytest.approx(expected, abs=1e-5)
            moved = max(moved, abs(first - final[user, movie]))
            num_checked += 1
    assert num_checked > 100
    assert moved > 0.05  # so the refitted base would have been noticed


def test_it_counts_its_base_among_its_seconds(spark: SparkSession, copied: Made) -> None:
    evaluate.run(copied.models, spark)
    paths = RunPaths(copied.config.root)
    board = json.loads(Path(paths.leaderboard).read_text())
    seconds = {one["model"]: one["seconds"] for one in board}
    fitted = {n: require_manifest(paths.model(n), MODELS).seconds for n in copied.models}
    assert seconds["near"] > fitted["near"] + fitted["mf"]


def test_the_base_is_fitted_before_and_named_if_it_is_not(
    spark: SparkSession, copied: Made
) -> None:
    assert list(bases_first(copied.models)) == ["bias", "mf", "near"]
    without = {name: copied.models[name] for name in ("near", "bias")}
    message = r"base of near: found mf, not in models.*Add it: --models mf,"
    with pytest.raises(ConfigError, match=message):
        pipeline.check_models(copied.config, without)
    pipeline.check_models(dataclasses.replace(copied.config, until="prepare"), without)
    pipeline.check_models(dataclasses.replace(copied.config, until="fit"), copied.models)
    shutil.rmtree(RunPaths(copied.config.root).model("mf"))
    with pytest.raises(DataError, match=r"models/mf: found no finished model.*near corrects.*Fit"):
        baseline.run(copied.models["near"], "near", spark)


def test_neighbours_of_an_earlier_base_are_refused(spark: SparkSession, copied: Made) -> None:
    other = dataclasses.replace(copied.models["mf"].train, epochs=2)
    train.run(dataclasses.replace(copied.models["mf"], train=other), "mf", spark)
    message = r"models/near: found .* earlier models/mf .*Run jobs/baseline\.py"
    with pytest.raises(DataError, match=message):
        score.run(copied.models["near"], "near", spark)
    with pytest.raises(DataError, match=message):
        score_pairs.run(copied.models["near"], "near", spark)
    before = require_manifest(RunPaths(copied.config.root).model("near"), MODELS).id
    baseline.run(copied.models["near"], "near", spark)
    assert require_manifest(RunPaths(copied.config.root).model("near"), MODELS).id != before
    score.run(copied.models["near"], "near", spark)
