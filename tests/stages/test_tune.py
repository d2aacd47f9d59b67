"""Searches over models that Spark fits and models that processes of their own train."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import yaml
from pyspark.sql import SparkSession

from recspark.config import (
    BaselineConfig,
    Config,
    PrepareConfig,
    SignalConfig,
    TrainConfig,
    TuneConfig,
)
from recspark.contract.catalog import TRAIN as TRAIN_SET
from recspark.contract.catalog import VALID as VALID_SET
from recspark.contract.paths import RunPaths
from recspark.datasets.manifest import read_manifest, require_manifest
from recspark.errors import ConfigError, DataError, TrainingError
from recspark.stages import tune
from recspark.stages.train import make_job
from recspark.tuning.workers import Workers, lone_rank
from tests.baselines import dense
from tests.runs import Cell, write_prepared
from tests.stages.fitted import TRAIN, VALID, Fitted
from tests.training.jobs import train_alone

LEARNING_RATES = {"train.learning_rate": {"low": 1e-5, "high": 0.3, "log": True}}
# Hardly learns anything in so few epochs.
SLOW = 1e-5


def planted() -> list[Cell]:
    """Return ratings of strong user and movie effects."""
    rng = np.random.default_rng(3)
    users, movies = np.nonzero(rng.random((60, 40)) < 0.5)
    level = 3 + rng.normal(0, 0.8, 60)[users] + rng.normal(0, 0.8, 40)[movies]
    ratings = np.clip(np.rint(level + rng.normal(0, 0.3, len(users))), 1, 5)
    cells = list(zip(users.tolist(), movies.tolist(), ratings.tolist(), strict=True))
    rng.shuffle(cells)  # type: ignore[arg-type]
    return [(int(user), int(movie), float(rating)) for user, movie, rating in cells]


@pytest.fixture(scope="module")
def prepared(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Config:
    """A run without its test set."""
    config = Config(
        name="t",
        run_dir=str(tmp_path_factory.mktemp("tuned")),
        prepare=PrepareConfig(num_buckets=4),
        train=TrainConfig(
            architecture="biased_mf",
            embedding_size=2,
            epochs=4,
            batch_size=64,
            learning_rate=SLOW,
            device="cpu",
        ),
    )
    cells = planted()
    write_prepared(
        spark,
        config,
        train=cells[300:],
        valid=cells[:200],
        test=cells[200:300],
        num_users=60,
        num_movies=40,
    )
    shutil.rmtree(RunPaths(config.root).test)
    return config


def with_search(config: Config, **settings: object) -> Config:
    return replace(config, tune=TuneConfig(**settings))  # type: ignore[arg-type]


def read_trials(config: Config, name: str) -> list[dict]:
    file = Path(RunPaths(config.root).tune(name)) / "trials.json"
    return json.loads(file.read_text())["trials"]


@pytest.fixture(scope="module")
def searched(prepared: Config, spark: SparkSession) -> Config:
    config = with_search(prepared, trials=10, jobs=2, space=LEARNING_RATES)
    tune.run(config, "biased_mf", spark)
    return config


def test_a_search_finds_a_better_setting_without_any_test_ratings(searched: Config) -> None:
    trials = read_trials(searched, "biased_mf")
    assert len(trials) == 10
    assert trials[0]["settings"] == {"train.learning_rate": SLOW}
    finished = [one for one in trials if one["state"] == "finished"]
    best = min(finished, key=lambda one: one["rmse"])
    # The ratings deviate by about 1.1 from their mean, and by 0.3 from their effects.
    assert trials[0]["rmse"] > 0.9
    assert best["rmse"] < 0.6
    assert best["settings"]["train.learning_rate"] > 0.005
    folder = Path(RunPaths(searched.root).tune("biased_mf"))
    assert yaml.safe_load((folder / "best.yaml").read_text()) == {
        "train": {"learning_rate": best["settings"]["train.learning_rate"]}
    }
    assert f"Trial {best['number']} is the best of 10" in (folder / "index.html").read_text()
    manifest = read_manifest(str(folder))
    assert manifest is not None
    assert set(manifest.inputs) == {"train", "valid"}
    assert manifest.counts["valid_rmse"] == best["rmse"]


def test_nothing_but_the_result_is_left(searched: Config) -> None:
    root = Path(searched.root)
    assert sorted(path.name for path in (root / "tune").iterdir()) == ["biased_mf"]
    assert sorted(path.name for path in (root / "tune" / "biased_mf").iterdir()) == [
        *("_MANIFEST.json", "best.yaml", "index.html", "trials.json")
    ]
    assert not list((root / "studies").iterdir())
    assert not (root / "models").exists()
    assert not (root / "checkpoints").exists()


def test_a_trial_is_scored_by_the_rmse_of_the_models_card(searched: Config, tmp_path: Path) -> None:
    paths = RunPaths(searched.root)
    train, valid = (
        require_manifest(path, kind)
        for path, kind in ((paths.train, TRAIN_SET), (paths.valid, VALID_SET))
    )
    trials = [one for one in read_trials(searched, "biased_mf") if one["state"] == "finished"]
    assert trials[0]["number"] == 0  # the preset's own settings are never stopped early
    for trial in trials[:3]:
        rate = trial["settings"]["train.learning_rate"]
        config = replace(searched, train=replace(searched.train, learning_rate=rate))
        job = make_job(config, "m", "", train, valid)
        job = replace(job, checkpoints=str(tmp_path / "checkpoints"))
        train_alone(job, tmp_path / "model")
        card = json.loads((tmp_path / "model" / "model.json").read_text())
        assert trial["rmse"] == pytest.approx(card["valid_rmse"], abs=1e-5)
        assert len(trial["curve"]) == card["num_epochs"]


def test_the_same_search_is_skipped_and_a_longer_one_continues(
    searched: Config, spark: SparkSession, capsys: pytest.CaptureFixture[str]
) -> None:
    before = read_trials(searched, "biased_mf")
    tune.run(searched, "biased_mf", spark)
    assert read_trials(searched, "biased_mf") == before
    assert "10 trials" in capsys.readouterr().out
    longer = replace(searched, tune=replace(searched.tune, trials=12, jobs=1))
    tune.run(longer, "biased_mf", spark)
    after = read_trials(searched, "biased_mf")
    assert after[:10] == before
    assert len(after) == 12
    # Another space is another search.
    other = with_search(searched, trials=1, jobs=1, space={"train.reg": {"low": 0.1, "high": 0.2}})
    tune.run(other, "biased_mf", spark)
    assert [one["settings"] for one in read_trials(searched, "biased_mf")] == [{"train.reg": 0.1}]


def test_one_seed_gives_one_search(prepared: Config, spark: SparkSession) -> None:
    config = with_search(prepared, trials=4, jobs=1)
    found = []
    for force in (False, True):
        tune.run(replace(config, force=force), "twice", spark)
        found.append([{**one, "seconds": 0} for one in read_trials(config, "twice")])
    assert found[0] == found[1]
    assert len({str(one["settings"]) for one in found[0]}) == 4


def test_a_baseline_is_scored_on_valid_by_what_it_answers_itself(
    copied: Fitted, spark: SparkSession
) -> None:
    shutil.rmtree(RunPaths(copied.config.root).test)
    config = with_search(copied.models["bias"], trials=3)
    tune.run(config, "bias", spark)
    trials = read_trials(config, "bias")
    assert len(trials) == 3
    for trial in trials:
        reg_user, reg_movie = (
            trial["settings"][f"baseline.bias.{name}"] for name in ("reg_user", "reg_movie")
        )
        mean, users, movies = dense.bias_effects(TRAIN, reg_user=reg_user, reg_movie=reg_movie)
        errors = [mean + users[user] + movies[movie] - rating for user, movie, rating in VALID]
        known = [error for error in errors if not math.isnan(error)]
        assert len(known) < len(errors)  # an unseen user or movie is among them
        expected = math.sqrt(np.mean(np.square(known)))
        assert trial["rmse"] == pytest.approx(expected, abs=1e-6)
    assert sorted(path.name for path in (Path(config.root) / "tune").iterdir()) == ["bias"]


def test_every_kind_of_baseline_can_be_searched(copied: Fitted, spark: SparkSession) -> None:
    for name in ("als", "cosine_user"):
        config = with_search(copied.models[name], trials=2)
        tune.run(config, name, spark)
        assert [one["state"] for one in read_trials(config, name)] == ["finished"] * 2


RANKER = TrainConfig(
    architecture="dot_product",
    optimizer="ials",
    target="raw",
    embedding_size=2,
    epochs=3,
    device="cpu",
)


def test_a_trained_model_that_ranks_is_scored_by_its_lists(
    prepared: Config, spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = with_search(replace(prepared, train=RANKER), trials=2, jobs=1)
    tune.run(config, "ials", spark)
    assert "valid 1 − NDCG@10" in capsys.readouterr().out
    trials = read_trials(config, "ials")
    assert set(trials[0]["settings"]) == {"train.reg", "train.unobserved_weight"}
    paths = RunPaths(config.root)
    train, valid = (
        require_manifest(path, kind)
        for path, kind in ((paths.train, TRAIN_SET), (paths.valid, VALID_SET))
    )
    job = make_job(config, "m", "", train, valid)
    job = train_alone(replace(job, checkpoints=str(tmp_path / "checkpoints")), tmp_path / "model")
    card = json.loads((tmp_path / "model" / "model.json").read_text())
    assert trials[0]["rmse"] == pytest.approx(1 - card["valid_ndcg"], abs=1e-9)
    manifest = read_manifest(paths.tune("ials"))
    assert manifest is not None
    assert manifest.counts["valid_missed"] == min(one["rmse"] for one in trials)


def test_a_ranker_of_spark_is_scored_by_its_lists_and_does_not_know_valid(
    prepared: Config, spark: SparkSession
) -> None:
    config = replace(
        prepared,
        train=TrainConfig(),
        baseline=BaselineConfig(algorithm="popularity"),
        signal=SignalConfig(kind="likes"),
    )
    half_lives = {"baseline.popularity.half_life_days": {"low": 10, "high": 20}}
    tune.run(with_search(config, trials=1, space=half_lives), "popularity", spark)
    [trial] = read_trials(config, "popularity")
    cells = planted()
    train, valid = cells[300:], cells[:200]
    likes = np.zeros(40)
    for _, movie, rating in train:
        likes[movie] += rating >= 4
    found = []
    for user in {one[0] for one in train}:
        rated = {movie for other, movie, _ in train if other == user}
        wanted = {m for other, m, rating in valid if other == user and rating >= 4}
        if wanted:
            known = {movie for _, movie, _ in train}
            rest = [movie for movie in range(40) if movie in known - rated]
            best = sorted(rest, key=lambda movie: -likes[movie])[:10]
            gains = sum(1 / np.log2(rank + 2) for rank, m in enumerate(best) if m in wanted)
            found.append(gains / sum(1 / np.log2(rank + 2) for rank in range(min(10, len(wanted)))))
    assert len(found) > 20
    assert trial["rmse"] == pytest.approx(1 - np.mean(found), abs=1e-6)


def test_without_valid_ratings_there_is_nothing_to_judge_by(
    spark: SparkSession, tmp_path: Path
) -> None:
    config = Config(
        name="t",
        run_dir=str(tmp_path),
        prepare=PrepareConfig(num_buckets=4),
        train=TrainConfig(architecture="biased_mf"),
    )
    cells = planted()
    write_prepared(spark, config, train=cells, test=[], num_users=60, num_movies=40)
    with pytest.raises(DataError, match="found no ratings"):
        tune.run(config, "biased_mf", spark)


def test_a_search_in_which_every_trial_diverges_says_so(
    prepared: Config, spark: SparkSession
) -> None:
    space = {"train.init_scale": {"low": 1e30, "high": 1e35}}
    config = with_search(prepared, trials=2, jobs=1, space=space)
    with pytest.raises(TrainingError, match=r"none of which finished.*Lower train\.learning_rate"):
        tune.run(config, "broken", spark)
    assert not Path(RunPaths(config.root).tune("broken")).exists()


def test_settings_that_only_training_refuses_end_the_search(
    prepared: Config, spark: SparkSession
) -> None:
    # An autoencoder needs the target raw.
    config = replace(prepared, train=replace(prepared.train, architecture="autorec"))
    config = with_search(config, trials=3, jobs=1)
    with pytest.raises(ConfigError, match=r"train\.target: found centered"):
        tune.run(config, "refused", spark)


def test_a_process_that_dies_fails_its_trial_and_is_replaced(searched: Config) -> None:
    paths = RunPaths(searched.root)
    train, valid = (
        require_manifest(path, kind)
        for path, kind in ((paths.train, TRAIN_SET), (paths.valid, VALID_SET))
    )
    job = lone_rank(make_job(searched, "m", "", train, valid), num_cores=1)
    workers = Workers(1, {})

    def kill(epoch: int, rmse: float) -> bool:
        for child in psutil.Process().children():
            if "spawn_main" in " ".join(child.cmdline()):
                child.kill()
        return False

    try:
        killed = workers.run(job, kill)
        assert killed.state == "failed"
        assert "exit code -9" in killed.error
        stopped = workers.run(job, lambda epoch, rmse: epoch == 1)
        assert (stopped.state, len(stopped.curve)) == ("pruned", 2)
        again = workers.run(job, lambda epoch, rmse: False)
        assert (again.state, len(again.curve)) == ("finished", 4)
    finally:
        workers.close()
