"""The blend of lists as a model of a run, from its members to lists, pairs and the API."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from recspark.config import (
    BaselineConfig,
    BlendConfig,
    Config,
    EaseConfig,
    ItemKnnConfig,
    ListBlendConfig,
    PrepareConfig,
    RecommendConfig,
    ScorePairsConfig,
    SignalConfig,
)
from recspark.contract import columns as c
from recspark.contract import schemas
from recspark.contract.paths import RANKS_ONLY, RunPaths
from recspark.datasets.manifest import read_manifest
from recspark.errors import ConfigError, DataError
from recspark.files import parquet
from recspark.jobs import bodies, checks
from recspark.jobs.job import Request
from recspark.notebook.model import Model
from recspark.notebook.run import Run
from recspark.stages import baseline, evaluate, list_blend, pipeline, recommend, score_pairs
from recspark.stages import blend as stages_blend
from tests.baselines import dense, items
from tests.runs import movie_id, user_id, write_prepared

STARS = (0.1, 0.2, 0.5, 1.0, 1.3)
IN_VALID = np.random.default_rng(3).random(items.RATINGS.shape) < 0.15
IN_TEST = ~IN_VALID & (np.random.default_rng(4).random(items.RATINGS.shape) < 0.2)
TRAIN = np.where(IN_VALID | IN_TEST, np.nan, items.RATINGS)
VALID = np.where(IN_VALID, items.RATINGS, np.nan)
KNOWN = np.where(IN_TEST, np.nan, items.RATINGS)
EASE = {"reg": 2.0, "dropout": 0.2, "user_weight": 0.5}
KNN: dict[str, Any] = {"num_neighbors": 6, "shrinkage": 1.0, "asymmetry": 0.6, "user_weight": 0.5}
MEMBERS = ("ease", "item_knn", "bias")
STRANGER = 2**40


def presets(config: Config) -> dict[str, Config]:
    section = BaselineConfig(ease=EaseConfig(**EASE), item_knn=ItemKnnConfig(**KNN))
    return {
        name: dataclasses.replace(config, baseline=dataclasses.replace(section, algorithm=name))
        for name in ("ease", "item_knn", "bias", "popularity")
    }


@pytest.fixture(scope="module")
def blended(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Config:
    """A run with three members, fitted, and their blend of lists."""
    config = Config(
        name="t",
        run_dir=str(tmp_path_factory.mktemp("list_blend")),
        models=MEMBERS,
        prepare=PrepareConfig(num_buckets=items.NUM_BUCKETS),
        signal=SignalConfig(weights=STARS),
        list_blend=ListBlendConfig(members=MEMBERS),
        recommend=RecommendConfig(models=("list_blend",), top_n=5),
    )
    write_prepared(
        spark,
        config,
        train=dense.cells(TRAIN),
        valid=dense.cells(VALID),
        test=dense.cells(np.where(IN_TEST, items.RATINGS, np.nan)),
        num_users=items.NUM_USERS,
        num_movies=items.NUM_MOVIES,
    )
    for name, one in presets(config).items():
        baseline.run(one, name, spark)
    bodies.run_blend(Request(config, presets(config)), spark)
    return config


@pytest.fixture
def copied(blended: Config, tmp_path: Path) -> Config:
    """A copy of the run, to change."""
    shutil.copytree(blended.root, tmp_path / "run")
    return dataclasses.replace(blended, run_dir=str(tmp_path / "run"))


def in_train() -> np.ndarray:
    return np.flatnonzero((~np.isnan(TRAIN)).any(axis=0))


def scores(name: str) -> np.ndarray:
    """Return a member's scores of all users and movies by NumPy; NaN for no answer."""
    x = np.where(np.isnan(KNOWN), 0, np.interp(np.nan_to_num(KNOWN), range(1, 6), STARS))
    if name == "bias":
        mean, users, movies = dense.bias_effects(TRAIN, reg_user=10, reg_movie=25)
        return mean + users[:, None] + movies
    table = items.ease(x, **EASE) if name == "ease" else items.nearest(x, **KNN)
    return np.where((x > 0).astype(float) @ (np.abs(table) > 1e-9) > 0, x @ table, np.nan)


def blend() -> np.ndarray:
    """Return the sums of z-scores of all users and movies; NaN for no answer."""
    total = np.zeros(KNOWN.shape)
    is_answered = np.zeros(KNOWN.shape, bool)
    for name in MEMBERS:
        table = scores(name)
        is_answered |= ~np.isnan(table)
        for user, row in enumerate(table):
            unseen = in_train()[np.isnan(KNOWN[user, in_train()])]
            if np.isnan(row[unseen]).all():
                continue
            row = np.where(np.isnan(row), np.nanmin(row[unseen]), row)
            total[user] += (row - row[unseen].mean()) / row[unseen].std()
    is_answered[:, np.setdiff1d(np.arange(KNOWN.shape[1]), in_train())] = False
    return np.where(is_answered, total, np.nan)


def lists_of(spark: SparkSession, config: Config) -> dict[int, list[tuple[int, float]]]:
    path = RunPaths(config.root).recommendations("list_blend")
    rows = parquet.read_dataset(spark, path, schemas.RECOMMENDATIONS).collect()
    found: dict[int, list[tuple[int, float]]] = {}
    for row in sorted(rows, key=lambda row: (row[c.USER_ID], row[c.RANK])):
        found.setdefault(row[c.USER_ID], []).append((row[c.MOVIE_ID], row[c.SCORE]))
    return found


@pytest.mark.parametrize("min_ratings", [1, 12])
def test_lists_are_the_highest_sums_of_z_scores(
    spark: SparkSession, blended: Config, min_ratings: int
) -> None:
    """Leaving out movies that few have rated changes no score of the others."""
    settings = dataclasses.replace(blended.recommend, min_ratings=min_ratings)
    recommend.run(dataclasses.replace(blended, recommend=settings), "list_blend", spark)
    found, table = lists_of(spark, blended), blend()
    is_candidate = (~np.isnan(TRAIN)).sum(axis=0) >= min_ratings
    assert min_ratings == 1 or 5 < is_candidate.sum() < len(in_train())
    table[~np.isnan(KNOWN) | ~is_candidate | np.isnan(table)] = -np.inf
    for user in range(items.NUM_USERS):
        if np.isnan(TRAIN[user]).all():
            assert user_id(user) not in found
            continue
        order = np.argsort(-table[user], kind="stable")[:5]
        best = [movie for movie in order if table[user, movie] > -np.inf]
        got = found[user_id(user)]
        assert [movie for movie, _ in got] == [movie_id(movie) for movie in best]
        np.testing.assert_allclose([s for _, s in got], table[user, best], rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("name", ["list_blend", "ease", "item_knn"])
def test_pairs_and_the_api_have_the_score_or_nothing(
    spark: SparkSession, blended: Config, tmp_path: Path, name: str
) -> None:
    """Ids that the run does not know have no score, and no bias stands in for it."""
    pairs = [(u, m) for m in range(items.NUM_MOVIES) for u in range(items.NUM_USERS)]
    raw = [(user_id(u), movie_id(m)) for u, m in pairs]
    raw += [(STRANGER, movie_id(0)), (user_id(0), 5000), (STRANGER, 5000)]
    (tmp_path / "pairs.csv").write_text("".join(f"{u},{m}\n" for u, m in raw))
    asked = ScorePairsConfig(pairs=str(tmp_path / "pairs.csv"))
    of_model = presets(blended).get(name, blended)
    score_pairs.run(dataclasses.replace(of_model, score_pairs=asked), name, spark)
    path = RunPaths(blended.root).scored_pairs("pairs", name)
    rows = parquet.read_dataset(spark, path, schemas.SCORED_PAIRS).orderBy(c.POSITION).collect()
    table = blend() if name == "list_blend" else scores(name)
    wanted = [*(table[pair] for pair in pairs), np.nan, np.nan, np.nan]
    assert len(rows) == len(wanted)
    found = np.array([np.nan if row[c.PREDICTION] is None else row[c.PREDICTION] for row in rows])
    np.testing.assert_allclose(found, wanted, rtol=2e-3, atol=2e-3)
    flags = [row[c.FALLBACK] for row in rows]
    assert flags == ["no_answer" if np.isnan(one) else None for one in wanted]
    assert {row[c.PREDICTION_STD] for row in rows} == {None}
    users, movies = zip(*raw, strict=True)
    answered = Run(blended.root).model(name).predict(users, movies, with_fallback=True)
    np.testing.assert_array_equal(answered[c.PREDICTION], found.astype(np.float32))
    assert answered[c.FALLBACK].isna().tolist() == [flag is None for flag in flags]
    plain = Model(blended.root, name).predict(list(users), list(movies))
    np.testing.assert_array_equal(plain, found.astype(np.float32))


def test_the_contest_takes_no_scores(spark: SparkSession, blended: Config) -> None:
    message = r"score_pairs\.pairs: found null, and {}, a model that ranks .*--models bias"
    for name, one in {**presets(blended), "list_blend": blended}.items():
        request = Request(blended, {name: one})
        if name == "bias":
            with pytest.raises(DataError, match="qualifying"):
                checks.check_score_pairs(request)
            continue
        with pytest.raises(ConfigError, match=message.format(name)):
            checks.check_score_pairs(request)
        with pytest.raises(ConfigError, match=message.format(name)):
            score_pairs.run(one, name, spark)


def test_the_card_names_members_with_equal_weights(blended: Config) -> None:
    paths = RunPaths(blended.root)
    card = json.loads(Path(paths.model("list_blend"), "model.json").read_text())
    assert card[RANKS_ONLY] is True
    assert [one["model"] for one in card["members"]] == list(MEMBERS)
    assert {one["weight"] for one in card["members"]} == {1.0}
    manifest = read_manifest(paths.model("list_blend"))
    assert manifest is not None
    for one in card["members"]:
        fitted = read_manifest(paths.model(one["model"]))
        assert fitted is not None
        assert one["id"] == fitted.id == manifest.inputs[f"models/{one['model']}"]


def test_a_member_that_was_fitted_again_is_refused_until_the_blend_is_made_again(
    spark: SparkSession, copied: Config
) -> None:
    paths = RunPaths(copied.root)
    before = read_manifest(paths.model("list_blend"))
    list_blend.run(copied, spark)
    assert read_manifest(paths.model("list_blend")) == before
    one = presets(copied)["ease"]
    section = dataclasses.replace(one.baseline, ease=EaseConfig(reg=9.0))
    baseline.run(dataclasses.replace(one, baseline=section), "ease", spark)
    message = r"models/list_blend: found .* earlier models/ease .*Run jobs/blend\.py"
    with pytest.raises(DataError, match=message):
        recommend.run(copied, "list_blend", spark)
    with pytest.raises(DataError, match=message):
        Run(copied.root).model("list_blend")
    list_blend.run(copied, spark)
    assert read_manifest(paths.model("list_blend")) != before
    recommend.run(copied, "list_blend", spark)


def test_the_pipeline_makes_lists_of_it_and_measures_them(
    spark: SparkSession, copied: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    models = {name: presets(copied)[name] for name in MEMBERS}
    pipeline._score(copied, models, spark)
    evaluate.run(models, spark)
    paths = RunPaths(copied.root)
    board = {row["model"]: row for row in json.loads(Path(paths.lists_leaderboard).read_text())}
    assert set(board) == {"list_blend", "popularity"}
    assert board["list_blend"]["num_users"] > 10
    metrics = json.loads(Path(paths.metrics("list_blend")).read_text())
    assert metrics["top_n"]["ndcg"] == board["list_blend"]["ndcg"]
    assert "rmse" not in metrics
    fitted = [read_manifest(paths.model(name)) for name in ("list_blend", *MEMBERS)]
    seconds = sum(one.seconds for one in fitted if one)
    assert metrics["seconds"] == pytest.approx(seconds, abs=2e-3)
    assert "\nlist_blend " in capsys.readouterr().out


def test_members_are_models_of_the_run(spark: SparkSession, blended: Config) -> None:
    models = presets(blended)
    with pytest.raises(ConfigError, match=r"list_blend\.members: found ease, not in models"):
        pipeline.check_models(blended, {name: models[name] for name in ("bias", "item_knn")})
    with_blend = dataclasses.replace(blended, list_blend=ListBlendConfig(members=("ease", "blend")))
    with pytest.raises(ConfigError, match=r"list_blend\.members: found blend, not in models"):
        pipeline.check_models(with_blend, models)
    of_ratings = dataclasses.replace(blended, blend=BlendConfig(members=("bias", "ease")))
    refused = r"blend\.members: found ease, which rank .* in list_blend\.members"
    with pytest.raises(ConfigError, match=refused):
        pipeline.check_models(of_ratings, models)
    with pytest.raises(ConfigError, match=refused):
        stages_blend.run(of_ratings, spark)
    for members, message in (
        (("ease",), "two or more"),
        (("ease", "ease"), "each model once"),
        (("ease", "list_blend"), "other models than itself"),
    ):
        with pytest.raises(ConfigError, match=message):
            ListBlendConfig(members=members)


def test_reasons_are_those_of_the_members_that_have_them(
    spark: SparkSession, blended: Config
) -> None:
    """Bias is no sum over a history."""
    settings = dataclasses.replace(blended.recommend, reasons=items.NUM_MOVIES)
    recommend.run(dataclasses.replace(blended, recommend=settings), "list_blend", spark)
    rows = pq.read_table(RunPaths(blended.root).recommendations("list_blend")).to_pylist()
    users, movies = (
        {make(at): at for at in range(count)}
        for make, count in ((user_id, items.NUM_USERS), (movie_id, items.NUM_MOVIES))
    )
    x = np.where(np.isnan(KNOWN), 0, np.interp(np.nan_to_num(KNOWN), range(1, 6), STARS))
    tables = {"ease": items.ease(x, **EASE), "item_knn": items.nearest(x, **KNN)}
    for row in rows:
        user, movie = users[row[c.USER_ID]], movies[row[c.MOVIE_ID]]
        unseen = in_train()[np.isnan(KNOWN[user, in_train()])]
        added = np.zeros(items.NUM_MOVIES)
        for name, table in tables.items():
            of_user = scores(name)[user, unseen]
            if np.isnan(of_user).all():
                continue
            of_user = np.where(np.isnan(of_user), np.nanmin(of_user), of_user)
            added += x[user] * table[:, movie] / (of_user.std() or np.inf)
        found = {movies[one[c.MOVIE_ID]]: one[c.CONTRIBUTION] for one in row[c.REASONS]}
        assert found.keys() >= set(np.flatnonzero(added > 1e-3).tolist())
        assert list(found.values()) == pytest.approx(
            added[list(found)].tolist(), rel=2e-3, abs=2e-3
        )
    assert any(len(row[c.REASONS]) > 3 for row in rows)
