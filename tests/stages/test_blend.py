"""blend on one small prepared run, from the members to the leaderboard."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from recspark.config import (
    AlsConfig,
    BaselineConfig,
    BlendConfig,
    Config,
    PrepareConfig,
    ScorePairsConfig,
    TrainConfig,
)
from recspark.contract import columns as c
from recspark.contract import schemas
from recspark.contract.paths import RunPaths
from recspark.datasets.manifest import read_manifest
from recspark.datasets.step import Step
from recspark.errors import ConfigError, DataError
from recspark.files import parquet
from recspark.notebook.model import Model
from recspark.stages import (
    baseline,
    blend,
    evaluate,
    pipeline,
    recommend,
    score,
    score_pairs,
    train,
)
from tests.runs import Cell, movie_id, user_id, write_prepared

NUM_USERS, NUM_MOVIES = 40, 30
MEMBERS = ("bias", "als")


def planted_cells() -> list[Cell]:
    """Return ratings with user and movie effects and one taste, for half of all pairs."""
    rng = np.random.default_rng(11)
    taste = np.outer(rng.normal(0, 0.8, NUM_USERS), rng.normal(0, 0.8, NUM_MOVIES))
    effects = rng.normal(0, 0.5, NUM_USERS)[:, None] + rng.normal(0, 0.5, NUM_MOVIES)
    ratings = np.clip(np.rint(3 + effects + taste + rng.normal(0, 0.3, taste.shape)), 1, 5)
    chosen = np.argwhere(rng.random(taste.shape) < 0.7)
    cells = [(int(u), int(m), float(ratings[u, m])) for u, m in rng.permutation(chosen)]
    return [cell for cell in cells if cell[0] != 39] + [(39, 1, 3.0)]  # user 39 is in test only


CELLS = planted_cells()
TRAIN, VALID, TEST = CELLS[:500], CELLS[500:650], CELLS[650:]


def prepared(spark: SparkSession, root: Path, valid: list[Cell] = VALID) -> Config:
    config = Config(
        name="t",
        run_dir=str(root),
        models=MEMBERS,
        prepare=PrepareConfig(num_buckets=4),
        blend=BlendConfig(members=MEMBERS, reg=0.01),
    )
    write_prepared(
        spark,
        config,
        train=TRAIN,
        valid=valid,
        test=TEST,
        num_users=NUM_USERS,
        num_movies=NUM_MOVIES,
    )
    return config


def presets(config: Config) -> dict[str, Config]:
    als = AlsConfig(embedding_size=2, epochs=5, reg=0.01, shrinkage=0)
    return {
        name: dataclasses.replace(
            config,
            baseline=BaselineConfig(algorithm=name, als=als),  # type: ignore[arg-type]
        )
        for name in MEMBERS
    }


@pytest.fixture(scope="module")
def blended(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Config:
    """A run with two scored members and their blend."""
    config = prepared(spark, tmp_path_factory.mktemp("run"))
    for name, one in presets(config).items():
        baseline.run(one, name, spark)
        score.run(one, name, spark)
    blend.run(config, spark)
    return config


@pytest.fixture
def copied(blended: Config, tmp_path: Path) -> Config:
    """A copy of the run, to damage."""
    shutil.copytree(blended.root, tmp_path / "run")
    return dataclasses.replace(blended, run_dir=str(tmp_path / "run"))


def rows_of(spark: SparkSession, path: str) -> dict[tuple[int, int], dict[str, object]]:
    rows = parquet.read_dataset(spark, path, schemas.PREDICTIONS).collect()
    return {(row[c.USER_INDEX], row[c.MOVIE_INDEX]): row.asDict() for row in rows}


def test_the_blend_is_ridge_over_the_scores_of_valid(
    spark: SparkSession, blended: Config, tmp_path: Path
) -> None:
    """Score valid as if it were test, and solve the regression with NumPy."""
    root = tmp_path / "run"
    shutil.copytree(blended.root, root)
    paths = RunPaths(str(root))
    shutil.rmtree(paths.test)
    shutil.copytree(paths.valid, paths.test)
    columns = []
    for name, one in presets(dataclasses.replace(blended, run_dir=str(root))).items():
        score.run(dataclasses.replace(one, force=True), name, spark)
        rows = rows_of(spark, paths.predictions(name))
        columns.append([rows[user, movie][c.PREDICTION] for user, movie, _ in VALID])
    x, y = np.array(columns, float).T, np.array([rating for *_, rating in VALID])
    centred = x - x.mean(axis=0)
    gram = centred.T @ centred + 0.01 * len(y) * np.eye(2)
    # Weights of predictions minus train's mean are shrunk; the constant is free.
    expected = np.linalg.solve(gram, centred.T @ (y - y.mean()))
    card = json.loads(Path(RunPaths(blended.root).model("blend"), "model.json").read_text())
    assert [one["weight"] for one in card["members"]] == pytest.approx(expected, abs=1e-9)
    intercept = y.mean() - x.mean(axis=0) @ expected
    assert card["intercept"] == pytest.approx(intercept, abs=1e-9)
    alone = np.sqrt(np.mean((x - y[:, None]) ** 2, axis=0))
    assert [one["valid_rmse"] for one in card["members"]] == pytest.approx(alone, abs=1e-9)


def test_predictions_of_test_are_the_clipped_weighted_sum_of_the_members(
    spark: SparkSession, blended: Config
) -> None:
    paths = RunPaths(blended.root)
    card = json.loads(Path(paths.model("blend"), "model.json").read_text())
    members = [rows_of(spark, paths.predictions(name)) for name in MEMBERS]
    found = rows_of(spark, paths.predictions("blend"))
    assert set(found) == {(user, movie) for user, movie, _ in TEST}
    for pair, row in found.items():
        total = card["intercept"] + sum(
            one["weight"] * rows[pair][c.PREDICTION]
            for one, rows in zip(card["members"], members, strict=True)
        )
        if row[c.FALLBACK] is not None:
            total = members[0][pair][c.PREDICTION]
        assert row[c.PREDICTION] == pytest.approx(np.clip(total, 1, 5), abs=1e-5)
        assert row[c.FALLBACK] == members[0][pair][c.FALLBACK]
    assert found[39, 1][c.FALLBACK] == "movie_effect"


def test_the_blend_is_on_the_leaderboard_and_no_worse_than_its_members(
    spark: SparkSession, blended: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate.run(presets(blended), spark)
    board = json.loads(Path(RunPaths(blended.root).leaderboard).read_text())
    rmse = {one["model"]: one["rmse"] for one in board}
    assert set(rmse) == {*MEMBERS, "blend"}
    assert rmse["blend"] < min(rmse[name] for name in MEMBERS) + 0.01
    assert "\nblend " in "\n" + capsys.readouterr().out
    seconds = {one["model"]: one["seconds"] for one in board}
    assert seconds["blend"] > seconds["bias"] + seconds["als"]


def test_current_output_is_kept_and_a_new_member_runs_again(
    spark: SparkSession, copied: Config
) -> None:
    paths = RunPaths(copied.root)
    outputs = [paths.model("blend"), paths.predictions("blend")]
    before = [read_manifest(path) for path in outputs]
    blend.run(copied, spark)
    assert [read_manifest(path) for path in outputs] == before
    one = presets(copied)["als"]
    baseline.run(dataclasses.replace(one, force=True), "als", spark)
    blend.run(copied, spark)  # the same model again
    assert [read_manifest(path) for path in outputs] == before
    als = dataclasses.replace(one.baseline.als, reg=0.5)
    baseline.run(
        dataclasses.replace(one, baseline=dataclasses.replace(one.baseline, als=als)), "als", spark
    )
    with pytest.raises(DataError, match=r"predictions/als: found .*earlier.*Run jobs/score\.py"):
        blend.run(copied, spark)
    score.run(one, "als", spark)
    blend.run(copied, spark)
    ids = [manifest.id for manifest in before if manifest]
    after = [read_manifest(path) for path in outputs]
    assert not {manifest.id for manifest in after if manifest} & set(ids)


def test_missing_members_are_named(spark: SparkSession, copied: Config) -> None:
    paths = RunPaths(copied.root)
    shutil.rmtree(paths.predictions("als"))
    with pytest.raises(DataError, match=r"predictions/als: found no finished.*jobs/score\.py"):
        blend.run(copied, spark)
    shutil.rmtree(paths.model("als"))
    with pytest.raises(DataError, match=r"models/als: found no finished data set.*jobs/baseline"):
        blend.run(copied, spark)
    with pytest.raises(ConfigError, match=r"blend\.members: found no members"):
        blend.run(dataclasses.replace(copied, blend=BlendConfig()), spark)
    asked = dataclasses.replace(copied, models=("bias",))
    with pytest.raises(ConfigError, match=r"blend\.members: found als, not in models"):
        pipeline.run(asked, {"bias": presets(copied)["bias"]}, spark)


def test_members_of_another_train_or_test_are_refused(spark: SparkSession, copied: Config) -> None:
    paths = RunPaths(copied.root)
    test = Step("prepare", {}, {}, [paths.test])
    with test:
        shutil.copytree(paths.test, test.staging(paths.test))
        test.publish(paths.test, schemas.TEST)
    with pytest.raises(DataError, match=r"predictions/bias: found .* from an earlier test "):
        blend.run(copied, spark)
    prepared(spark, Path(copied.root), valid=VALID[1:])
    with pytest.raises(DataError, match=r"models/bias: found .* from an earlier train "):
        blend.run(copied, spark)


def test_an_empty_valid_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    config = prepared(spark, tmp_path, valid=[])
    with pytest.raises(DataError, match=r"valid: found no ratings.*prepare\.valid_fraction"):
        blend.run(config, spark)


@pytest.mark.parametrize(
    ("members", "message"),
    [(("bias",), "two or more"), (("als", "als"), "each model once"), (("als", "blend"), "other")],
)
def test_invalid_members_are_refused(members: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        BlendConfig(members=members)


def test_a_refitted_member_is_weighed_by_what_it_said_before_it_saw_valid(
    spark: SparkSession, tmp_path: Path
) -> None:
    settings = TrainConfig(
        architecture="biased_mf", embedding_size=4, epochs=6, learning_rate=0.05, batch_size=64
    )
    members = ("mf", "refitted")
    config = prepared(spark, tmp_path / "run")
    config = dataclasses.replace(config, blend=BlendConfig(members=members, reg=0.01))
    baseline.run(presets(config)["bias"], "bias", spark)
    for name in members:
        one = dataclasses.replace(settings, refit=name == "refitted")
        train.run(dataclasses.replace(config, train=one), name, spark)
        score.run(config, name, spark)
    blend.run(config, spark)
    paths = RunPaths(config.root)
    card = json.loads((Path(paths.model("blend")) / "model.json").read_text())
    # On valid both said the same, so one of them adds nothing.
    [kept], [dropped] = card["members"], card["dropped"]
    assert {kept["model"], dropped["model"]} == set(members)
    assert kept["valid_rmse"] == pytest.approx(dropped["valid_rmse"], abs=1e-6)
    assert abs(dropped["gain"]) < 1e-4
    scored = [rows_of(spark, paths.predictions(name)) for name in members]
    assert any(
        scored[0][pair][c.PREDICTION] != row[c.PREDICTION] for pair, row in scored[1].items()
    )


def test_a_member_that_harms_is_dropped_and_no_longer_needed(
    spark: SparkSession, copied: Config, caplog: pytest.LogCaptureFixture
) -> None:
    """als once more as `twin`: it gains nothing, and its predictions of test are not asked for."""
    paths = RunPaths(copied.root)
    baseline.run(presets(copied)["als"], "twin", spark)
    config = dataclasses.replace(copied, blend=BlendConfig(members=("bias", "als", "twin")))
    caplog.set_level("INFO")
    blend.run(dataclasses.replace(config, force=True), spark)
    card = json.loads(Path(paths.model("blend"), "model.json").read_text())
    [dropped] = card["dropped"]
    assert [member["model"] for member in card["members"]] == ["bias", "als"]
    assert dropped["model"] == "twin"
    assert dropped["gain"] < 1e-4
    assert "blend: twin is dropped, RMSE" in caplog.text
    assert f"without it the blend's RMSE changed by {dropped['gain']:+.5f}" in caplog.text


def test_pairs_and_lists_are_served_as_test_is_predicted(
    spark: SparkSession, copied: Config, tmp_path: Path
) -> None:
    paths = RunPaths(copied.root)
    shown = rows_of(spark, paths.predictions("blend"))
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("".join(f"{user_id(u)},{movie_id(m)}\n" for u, m in shown))
    asked = dataclasses.replace(copied, score_pairs=ScorePairsConfig(pairs=str(pairs)))
    score_pairs.run(asked, "blend", spark)
    table = spark.read.parquet(paths.scored_pairs("pairs", "blend")).orderBy(c.POSITION)
    for row, expected in zip(table.collect(), shown.values(), strict=True):
        assert row[c.PREDICTION] == pytest.approx(expected[c.PREDICTION], abs=1e-6)
        assert row[c.FALLBACK] == expected[c.FALLBACK]
    recommend.run(copied, "blend", spark)
    lists = spark.read.parquet(paths.recommendations("blend")).toPandas()
    top = lists[lists[c.RANK] == 1].set_index(c.USER_ID)
    best, first = top[c.SCORE], top[c.MOVIE_ID]
    raw = Model(copied.root, "blend").predict(best.index.to_list(), first.to_list())
    # Members are clipped only where they rate, so the highest scores differ.
    assert (best < 4.5).sum() > 20
    np.testing.assert_allclose(best[best < 4.5], raw[best < 4.5], atol=1e-5)
    evaluate.run(presets(copied), spark)
    figures = json.loads(Path(paths.metrics("blend")).read_text())
    assert figures["top_n"]["num_users"] > 0


def test_a_blend_of_an_earlier_member_is_not_served(spark: SparkSession, copied: Config) -> None:
    one = presets(copied)["als"]
    als = dataclasses.replace(one.baseline.als, reg=0.5)
    other = dataclasses.replace(one.baseline, als=als)
    baseline.run(dataclasses.replace(one, baseline=other), "als", spark)
    message = r"models/blend: found .* earlier models/als .*Run jobs/blend\.py"
    with pytest.raises(DataError, match=message):
        recommend.run(copied, "blend", spark)
    with pytest.raises(DataError, match=message):
        score_pairs.run(copied, "blend", spark)
