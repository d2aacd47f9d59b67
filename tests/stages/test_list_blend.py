"""The blend of lists as a model of a run, from its members to lists, pairs and the API."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from recspark.blend.list_weights import ValidLists, choose, make_weightings
from recspark.config import (
    BlendConfig,
    Config,
    EaseConfig,
    ListBlendConfig,
    RecommendConfig,
    ScorePairsConfig,
)
from recspark.contract import columns as c
from recspark.contract import schemas
from recspark.contract.catalog import TRAIN as TRAIN_KIND
from recspark.contract.paths import RANKS_ONLY, RunPaths
from recspark.datasets.manifest import read_manifest, require_manifest
from recspark.errors import ConfigError, DataError
from recspark.files import parquet
from recspark.jobs import bodies, checks
from recspark.jobs.job import Request
from recspark.notebook.model import Model
from recspark.notebook.run import Run
from recspark.scoring.lineage import require_model
from recspark.stages import baseline, evaluate, list_blend, pipeline, recommend, score_pairs
from recspark.stages import blend as stages_blend
from tests.baselines import dense, items
from tests.runs import movie_id, user_id
from tests.stages import ranked
from tests.stages.ranked import IN_TRAIN, KNOWN, TRAIN, VALID

MEMBERS = ("ease", "item_knn", "bias")
STRANGER = 2**40


def presets(config: Config) -> dict[str, Config]:
    return {name: ranked.of(config, name) for name in (*MEMBERS, "popularity")}


@pytest.fixture(scope="module")
def blended(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Config:
    """A run with three members, fitted, and their blend of lists."""
    config = dataclasses.replace(
        ranked.write_run(spark, tmp_path_factory.mktemp("list_blend")),
        models=MEMBERS,
        list_blend=ListBlendConfig(members=MEMBERS),
        recommend=RecommendConfig(models=("list_blend",), top_n=5),
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


def scores(name: str, known: np.ndarray = KNOWN) -> np.ndarray:
    """Return a member's scores of all users and movies by NumPy; NaN for no answer."""
    if name == "bias":
        mean, users, movies = dense.bias_effects(TRAIN, reg_user=10, reg_movie=25)
        return mean + users[:, None] + movies
    return ranked.scores(name, known)


def blend(
    weights: Sequence[float] = (1, 1, 1),
    known: np.ndarray = KNOWN,
    members: Sequence[str] = MEMBERS,
) -> np.ndarray:
    """Return the sums of z-scores of all users and movies; NaN for no answer."""
    total = np.zeros(KNOWN.shape)
    is_answered = np.zeros(KNOWN.shape, bool)
    for weight, name in zip(weights, members, strict=True):
        if not weight:
            continue
        table = scores(name, known)
        is_answered |= ~np.isnan(table)
        for user, row in enumerate(table):
            unseen = IN_TRAIN[np.isnan(known[user, IN_TRAIN])]
            if np.isnan(row[unseen]).all():
                continue
            row = np.where(np.isnan(row), np.nanmin(row[unseen]), row)
            total[user] += weight * (row - row[unseen].mean()) / row[unseen].std()
    is_answered[:, np.setdiff1d(np.arange(KNOWN.shape[1]), IN_TRAIN)] = False
    return np.where(is_answered, total, np.nan)


@pytest.mark.parametrize("min_ratings", [1, 12])
def test_lists_are_the_highest_sums_of_z_scores(
    spark: SparkSession, blended: Config, min_ratings: int
) -> None:
    """Leaving out movies that few have rated changes no score of the others."""
    settings = dataclasses.replace(blended.recommend, min_ratings=min_ratings)
    recommend.run(dataclasses.replace(blended, recommend=settings), "list_blend", spark)
    candidates = np.flatnonzero((~np.isnan(TRAIN)).sum(axis=0) >= min_ratings)
    assert min_ratings == 1 or 5 < len(candidates) < len(IN_TRAIN)
    found = ranked.read_lists(spark, blended, "list_blend")
    ranked.assert_best(found, blend(), candidates, tolerance=2e-3)


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


def test_valid_judges_members_that_have_not_seen_it(spark: SparkSession, copied: Config) -> None:
    """NDCG@10 of each weighting is that of dense matrices, and the best is taken."""
    names = ("ease", "bias")
    config = dataclasses.replace(copied, list_blend=ListBlendConfig(members=names))
    for name in names:
        baseline.run(ranked.of(config, name, refit=False), name, spark)
    list_blend.run(config, spark)
    weightings = make_weightings(2)
    figures = []
    for user in range(items.NUM_USERS):
        liked = np.intersect1d(np.flatnonzero(VALID[user] >= 4), IN_TRAIN)
        if not len(liked) or np.isnan(TRAIN[user]).all():
            continue
        best = sum(1 / np.log2(rank + 2) for rank in range(min(10, len(liked))))
        row = []
        for weights in weightings:
            table = blend(weights, TRAIN, names)[user]
            table = np.where(np.isnan(table) | ~np.isnan(TRAIN[user]), -np.inf, table)
            listed = np.argsort(-table, kind="stable")[:10]
            gains = [1 / np.log2(rank + 2) for rank in range(10) if listed[rank] in liked]
            row.append(sum(gains) / best)
        figures.append(row)
    wanted = choose(weightings, np.array(figures))
    card = json.loads(Path(RunPaths(config.root).model("list_blend"), "model.json").read_text())
    assert card["valid_users"] == len(figures) > 15
    assert card["valid_ndcg"] == pytest.approx(wanted.ndcg, abs=1e-9)
    assert card["weights_from"] == "valid"
    kept = [(name, weight) for name, weight in zip(names, wanted.weights, strict=True) if weight]
    assert [(one["model"], one["weight"]) for one in card["members"]] == kept
    assert card["dropped"] == [name for name in names if name not in dict(kept)]
    train = require_manifest(RunPaths(config.root).train, TRAIN_KIND)
    lists = ValidLists(
        members=tuple(require_model(ranked.of(config, name), name)[0] for name in names),
        movies=IN_TRAIN,
        valid=RunPaths(config.root).valid,
        num_users=items.NUM_USERS,
        relevant=4.0,
    )
    found = np.concatenate([lists.measure(bucket, weightings) for bucket in train.bucket_rows])
    np.testing.assert_allclose(np.sort(found, axis=0), np.sort(figures, axis=0), atol=1e-9)


def test_weights_of_the_settings_are_taken(spark: SparkSession, copied: Config) -> None:
    given = ListBlendConfig(members=("ease", "bias"), weights=(3.0, 0.5))
    config = dataclasses.replace(copied, list_blend=given)
    list_blend.run(config, spark)
    recommend.run(config, "list_blend", spark)
    found = ranked.read_lists(spark, config, "list_blend")
    table = blend((3.0, 0.5), KNOWN, ("ease", "bias"))
    ranked.assert_best(found, table, tolerance=2e-3)
    for weights in ((1.0,), (1.0, 0.0), (1.0, -1.0)):
        with pytest.raises(ConfigError, match=r"list_blend\.weights"):
            ListBlendConfig(members=("ease", "bias"), weights=weights)


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
    x = np.where(np.isnan(KNOWN), 0, np.interp(np.nan_to_num(KNOWN), range(1, 6), ranked.STARS))
    tables = {"ease": items.ease(x, **ranked.EASE), "item_knn": items.nearest(x, **ranked.KNN)}
    for row in rows:
        user, movie = users[row[c.USER_ID]], movies[row[c.MOVIE_ID]]
        unseen = IN_TRAIN[np.isnan(KNOWN[user, IN_TRAIN])]
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
