"""baseline, score and evaluate on one small prepared run."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from recspark.config import AlsConfig, BaselineConfig, Config, CosineUserConfig, PrepareConfig
from recspark.contract import columns as c
from recspark.contract import schemas
from recspark.contract.paths import RunPaths
from recspark.datasets.manifest import read_manifest
from recspark.errors import ConfigError, DataError
from recspark.files import parquet
from recspark.stages import baseline, evaluate, score
from tests.baselines import dense
from tests.runs import write_prepared

NUM_USERS, NUM_MOVIES, NEIGHBORS = 24, 16, 5
UNSEEN_USER, UNSEEN_MOVIE = 23, 15

RATINGS = dense.random_ratings(7, NUM_USERS, NUM_MOVIES, 0.5)
RATINGS[UNSEEN_USER], RATINGS[:, UNSEEN_MOVIE] = np.nan, np.nan
# All gaps are in test: known pairs, an unseen user, an unseen movie, and both at once.
TEST = [(int(u), int(m), 3.0) for u, m in np.argwhere(np.isnan(RATINGS))]


def preset(config: Config, algorithm: str | None) -> Config:
    settings = BaselineConfig(
        algorithm=algorithm,  # type: ignore[arg-type]
        cosine_user=CosineUserConfig(num_neighbors=NEIGHBORS, block_users=3),
        als=AlsConfig(embedding_size=2, epochs=2),
    )
    return dataclasses.replace(config, baseline=settings)


def prepared(spark: SparkSession, root: Path, num_buckets: int = 4) -> Config:
    config = Config(name="t", run_dir=str(root), prepare=PrepareConfig(num_buckets=num_buckets))
    write_prepared(
        spark,
        config,
        train=dense.cells(RATINGS),
        test=TEST,
        num_users=NUM_USERS,
        num_movies=NUM_MOVIES,
    )
    return config


@pytest.fixture(scope="module")
def scored(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Config:
    """A run with all three baselines fitted and scored."""
    config = prepared(spark, tmp_path_factory.mktemp("run"))
    for name in ("bias", "cosine_user", "als"):
        baseline.run(preset(config, name), name, spark)
        score.run(preset(config, name), name, spark)
    return config


@pytest.fixture
def copied(scored: Config, tmp_path: Path) -> Config:
    """A copy of the run, to damage."""
    shutil.copytree(scored.root, tmp_path / "run")
    return dataclasses.replace(scored, run_dir=str(tmp_path / "run"))


def predictions(spark: SparkSession, config: Config, name: str):
    path = RunPaths(config.root).predictions(name)
    rows = parquet.read_dataset(spark, path, schemas.PREDICTIONS).collect()
    return {(row[c.USER_INDEX], row[c.MOVIE_INDEX]): row for row in rows}


@pytest.mark.parametrize("name", ["bias", "cosine_user", "als"])
def test_every_test_row_has_one_prediction_in_range(
    spark: SparkSession, scored: Config, name: str
) -> None:
    found = predictions(spark, scored, name)
    manifest = read_manifest(RunPaths(scored.root).predictions(name))
    assert manifest is not None
    assert manifest.num_rows == len(found) == len(TEST)
    assert set(found) == {(user, movie) for user, movie, _ in TEST}
    for (user, movie), row in found.items():
        assert 1 <= row[c.PREDICTION] <= 5
        assert (row[c.RATING], row[c.RATED_AT], row[c.BUCKET]) == (3.0, 100, user % 4)
        flags = {
            (True, True): None,
            (False, True): "movie_effect",
            (True, False): "user_effect",
            (False, False): "global_mean",
        }
        assert row[c.FALLBACK] == flags[(user != UNSEEN_USER, movie != UNSEEN_MOVIE)]


def test_bias_equals_numpy_including_fallbacks(spark: SparkSession, scored: Config) -> None:
    mean, users, movies = dense.bias_effects(RATINGS, reg_user=10, reg_movie=25)
    for (user, movie), row in predictions(spark, scored, "bias").items():
        expected = mean + np.nan_to_num(users[user]) + np.nan_to_num(movies[movie])
        assert row[c.PREDICTION] == pytest.approx(np.clip(expected, 1, 5), abs=1e-6)


def test_cosine_user_equals_numpy(spark: SparkSession, scored: Config) -> None:
    for (user, movie), row in predictions(spark, scored, "cosine_user").items():
        if row[c.FALLBACK] is None:
            expected = dense.neighbor_mean(RATINGS, user, movie, NEIGHBORS)
            assert row[c.PREDICTION] == pytest.approx(expected, abs=1e-5)


def test_cosine_user_does_not_depend_on_the_buckets(
    spark: SparkSession, scored: Config, tmp_path: Path
) -> None:
    config = prepared(spark, tmp_path, num_buckets=1)
    for name in ("bias", "cosine_user"):
        baseline.run(preset(config, name), name, spark)
    score.run(preset(config, "cosine_user"), "cosine_user", spark)
    once = predictions(spark, config, "cosine_user")
    for pair, row in predictions(spark, scored, "cosine_user").items():
        assert row[c.PREDICTION] == pytest.approx(once[pair][c.PREDICTION], abs=1e-6)


def test_neighbors_are_stored_with_their_schema(spark: SparkSession, scored: Config) -> None:
    path = RunPaths(scored.root).model("cosine_user") + "/neighbors"
    rows = parquet.read_dataset(spark, path, schemas.NEIGHBORS).collect()
    assert len(rows) == (NUM_USERS - 1) * NEIGHBORS
    assert all(row[c.BUCKET] == row[c.USER_INDEX] % 4 for row in rows)
    assert UNSEEN_USER not in {row[c.USER_INDEX] for row in rows}


def test_no_checkpoint_or_temporary_folder_is_left(scored: Config) -> None:
    folders = [path.name for path in Path(scored.root).rglob("*") if path.is_dir()]
    assert not [name for name in folders if name.startswith(".") or name == "checkpoints"]


def test_evaluate_writes_figures_and_prints_the_table(
    spark: SparkSession, scored: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    models = {name: preset(scored, name) for name in ("bias", "cosine_user", "als")}
    evaluate.run(models, spark)
    paths = RunPaths(scored.root)
    metrics = json.loads(Path(paths.metrics("bias")).read_text())
    assert list(metrics) == [
        *("model", "protocol", "uses_times", "predictions", "recommendations", "seconds"),
        "num_rows",
        *(
            "num_users",
            "rmse",
            "rmse_interval",
            "mae",
            "coverage",
            "num_fallbacks",
            "cuts",
            "intervals",
            "calibration",
            "bootstrap",
            "top_n",
        ),
    ]
    rows = predictions(spark, scored, "bias").values()
    errors = np.array([row[c.PREDICTION] - row[c.RATING] for row in rows])
    unseen = NUM_USERS + NUM_MOVIES - 1
    assert metrics["rmse"] == pytest.approx(np.sqrt((errors**2).mean()), abs=1e-9)
    assert metrics["mae"] == pytest.approx(np.abs(errors).mean(), abs=1e-9)
    assert metrics["num_fallbacks"] == unseen
    assert metrics["coverage"] == pytest.approx(1 - unseen / len(TEST))
    manifests = read_manifest(paths.model("bias")), read_manifest(paths.predictions("bias"))
    assert metrics["seconds"] == pytest.approx(sum(m.seconds for m in manifests if m), abs=0.001)
    board = json.loads(Path(paths.leaderboard).read_text())
    assert [one["rmse"] for one in board] == sorted(one["rmse"] for one in board)
    assert {one["model"] for one in board} == set(models)
    printed = capsys.readouterr().out
    assert printed.splitlines()[2].split()[0] == board[0]["model"]
    assert "split random 0.1" in printed


def test_current_output_is_kept(spark: SparkSession, scored: Config) -> None:
    paths = RunPaths(scored.root)
    outputs = (paths.model("cosine_user"), paths.predictions("cosine_user"))
    before = [read_manifest(path) for path in outputs]
    settings = preset(scored, "cosine_user")
    # Fewer users at a time give the same model.
    smaller = dataclasses.replace(settings.baseline.cosine_user, block_users=2)
    section = dataclasses.replace(settings.baseline, cosine_user=smaller)
    baseline.run(dataclasses.replace(settings, baseline=section), "cosine_user", spark)
    score.run(settings, "cosine_user", spark)
    assert [read_manifest(path) for path in outputs] == before


def test_a_preset_without_an_algorithm_is_refused(spark: SparkSession, scored: Config) -> None:
    with pytest.raises(ConfigError, match=r"no baseline\.algorithm"):
        baseline.run(preset(scored, None), "x", spark)


def test_stages_name_what_must_run_first(spark: SparkSession, tmp_path: Path) -> None:
    config = Config(name="t", run_dir=str(tmp_path))
    for run in (baseline.run, score.run):
        with pytest.raises(DataError, match=r"Run jobs/prepare\.py"):
            run(preset(config, "bias"), "bias", spark)


def test_a_missing_model_names_its_job(spark: SparkSession, copied: Config) -> None:
    with pytest.raises(DataError, match=r"Run jobs/train\.py"):
        score.run(preset(copied, None), "biased_mf", spark)
    with pytest.raises(DataError, match=r"Run jobs/baseline\.py"):
        score.run(preset(copied, "als"), "als_large", spark)


def test_without_the_bias_model_score_names_the_command(
    spark: SparkSession, copied: Config
) -> None:
    shutil.rmtree(RunPaths(copied.root).model("bias"))
    with pytest.raises(DataError, match=r"jobs/baseline\.py .* --models '\[bias\]'"):
        score.run(preset(copied, "als"), "als", spark)


def test_a_model_of_another_train_is_refused(spark: SparkSession, copied: Config) -> None:
    prepared(spark, Path(copied.root), num_buckets=2)  # new train and test, old models
    with pytest.raises(DataError, match=r"from an earlier train .*Run jobs/baseline\.py"):
        score.run(preset(copied, "als"), "als", spark)
    with pytest.raises(DataError, match=r"from an earlier test .*Run jobs/score\.py"):
        evaluate.run({"als": preset(copied, "als")}, spark)


def test_without_predictions_evaluate_names_the_job(spark: SparkSession, copied: Config) -> None:
    shutil.rmtree(RunPaths(copied.root).predictions("als"))
    with pytest.raises(DataError, match=r"Run jobs/score\.py"):
        evaluate.run({"als": preset(copied, "als")}, spark)


def test_a_changed_card_is_refused(spark: SparkSession, copied: Config) -> None:
    card = Path(RunPaths(copied.root).model("als"), "model.json")
    card.write_text('{"algorithm": "guess"}')
    with pytest.raises(Exception, match=r"model\.json of 22 bytes instead"):
        score.run(dataclasses.replace(preset(copied, "als"), force=True), "als", spark)
    card.unlink()
    with pytest.raises(Exception, match=r"found no .*model\.json"):
        score.run(dataclasses.replace(preset(copied, "als"), force=True), "als", spark)
    assert len(predictions(spark, copied, "als")) == len(TEST)  # the old ones stay


def test_a_bucket_of_the_model_that_is_missing_is_named(
    spark: SparkSession, copied: Config
) -> None:
    for name in ("als", "bias"):
        users = Path(RunPaths(copied.root).model(name), "users", "bucket-00002.npy")
        users.unlink()
        with pytest.raises(Exception, match=r"found no .*bucket-00002\.npy"):
            score.run(dataclasses.replace(preset(copied, "als"), force=True), "als", spark)
    assert len(predictions(spark, copied, "als")) == len(TEST)  # the old ones stay


def test_a_bucket_of_test_that_lost_rows_is_named(spark: SparkSession, copied: Config) -> None:
    shutil.rmtree(Path(RunPaths(copied.root).test, "bucket=1"))
    with pytest.raises(Exception, match=r"found no .*test/bucket=1/"):
        score.run(dataclasses.replace(preset(copied, "als"), force=True), "als", spark)


def test_an_incomplete_model_is_refused(spark: SparkSession, copied: Config) -> None:
    Path(RunPaths(copied.root).model("als"), "_MANIFEST.json").unlink()
    with pytest.raises(DataError, match=r"no finished data set.*Run jobs/baseline\.py"):
        score.run(preset(copied, "als"), "als", spark)


def test_without_test_ratings_nothing_is_scored_or_measured(
    spark: SparkSession, copied: Config, caplog: pytest.LogCaptureFixture
) -> None:
    paths, models = RunPaths(copied.root), {"als": preset(copied, "als")}
    file = Path(paths.test, "_MANIFEST.json")
    file.write_text(json.dumps(json.loads(file.read_text()) | {"num_rows": 0}))
    for made in ("predictions", "metrics"):
        shutil.rmtree(Path(copied.root, made), ignore_errors=True)
    with caplog.at_level("INFO"):
        score.run(models["als"], "als", spark)
        evaluate.run(models, spark)
    assert not Path(paths.predictions("als")).exists()
    assert not Path(paths.metrics("als")).exists()
    for stage in ("score", "evaluate"):
        assert f"{stage}: left out, because test has no ratings" in caplog.text


def test_a_bucket_that_lost_rows_stops_cosine_user(spark: SparkSession, copied: Config) -> None:
    shutil.rmtree(Path(RunPaths(copied.root).train, "bucket=2"))
    with pytest.raises(Exception, match=r"found no .*train/bucket=2/"):
        score.run(
            dataclasses.replace(preset(copied, "cosine_user"), force=True), "cosine_user", spark
        )
