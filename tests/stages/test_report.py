"""report on a real run directory: what is on the page, and when it is made again."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import sys
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from recspark.config import BiasConfig, Config, EvaluateConfig, RecommendConfig, ReportConfig
from recspark.contract import columns as c
from recspark.contract import schemas
from recspark.contract.paths import RunPaths
from recspark.contract.schemas import IdTypes
from recspark.datasets.manifest import read_manifest
from recspark.datasets.step import Step
from recspark.errors import DataError, EnvironmentProblem
from recspark.files import parquet, storage
from recspark.report.inventory import take_inventory
from recspark.stages import baseline, evaluate, recommend, report, score
from recspark.stages.report import gather
from tests.pages import read
from tests.runs import movie_id, user_id
from tests.stages.fitted import NUM_MOVIES, NUM_USERS, TEST, TRAIN, VALID, Fitted

HOSTILE = "<script>alert('a title')</script>"
MODELS = ("bias", "cosine_user", "biased_mf")


def write_ingested(spark: SparkSession, root: str) -> None:
    """Publish titles, including one with markup, and the manifest of ratings."""
    paths = RunPaths(root)
    titles = [
        (movie_id(movie), 1990 + movie, HOSTILE if not movie else f"Film {movie}", None)
        for movie in range(NUM_MOVIES)
    ]
    with Step("ingest", {}, {"/raw/u.data": "99@1"}, (paths.movies, paths.ratings)) as step:
        schema = schemas.MOVIES.with_ids(IdTypes())
        frame = spark.createDataFrame(titles, schema.ddl)
        parquet.write_dataset(frame, step.staging(paths.movies), schema)
        storage.make_folder(step.staging(paths.ratings))
        step.publish_all([(paths.movies, schema, None), (paths.ratings, None, None)])


@pytest.fixture(scope="module")
def finished(
    spark: SparkSession, fitted: Fitted, tmp_path_factory: pytest.TempPathFactory
) -> Fitted:
    """The fitted run with predictions, figures and lists."""
    root = tmp_path_factory.mktemp("finished") / "run"
    shutil.copytree(fitted.config.root, root)
    for left in ("recommendations", "similar_movies", "models/blend"):  # of other tests
        shutil.rmtree(root / left, ignore_errors=True)
    made = fitted.at(str(root))
    write_ingested(spark, str(root))
    settings = {
        "evaluate": EvaluateConfig(resamples=10),
        "recommend": RecommendConfig(top_n=6),
        "report": ReportConfig(min_ratings=1),
    }
    models = {name: dataclasses.replace(made.models[name], **settings) for name in MODELS}
    for name in MODELS:
        score.run(models[name], name, spark)
    recommend.run(models["biased_mf"], "biased_mf", spark)
    evaluate.run(models, spark)
    return Fitted(dataclasses.replace(made.config, **settings), models)


@pytest.fixture
def run(finished: Fitted, tmp_path: Path) -> Fitted:
    """A copy of the run, to change."""
    shutil.copytree(finished.config.root, tmp_path / "run")
    return finished.at(str(tmp_path / "run"))


def page_of(config: Config) -> str:
    return Path(RunPaths(config.root).report, "index.html").read_text(encoding="utf-8")


def run_of(config: Config) -> str:
    manifest = read_manifest(RunPaths(config.root).report)
    assert manifest is not None
    return manifest.run


def test_page_shows_the_run(spark: SparkSession, run: Fitted) -> None:
    report.run(run.config, spark)
    page = page_of(run.config)
    reader = read(page)
    assert {"leaderboard", "calibration", "errors-month", "stages"} <= set(reader.svgs)
    assert {"bias", "cosine_user", "biased_mf"} <= set(reader.cells)
    assert "jobs/explore.py" in page  # not run here
    assert "<script>alert" not in page
    assert any(HOSTILE in text for text in reader.texts)
    assert [path.name for path in Path(RunPaths(run.config.root).report).iterdir()].count(
        "index.html"
    ) == 1


def test_page_shows_users_of_the_data(spark: SparkSession, run: Fitted) -> None:
    findings = gather(run.config, take_inventory(run.config.root), spark)
    assert findings.lists_model == "biased_mf"
    path = RunPaths(run.config.root).recommendations("biased_mf")
    rows = parquet.read_dataset(spark, path, schemas.RECOMMENDATIONS).collect()
    label = {movie_id(m): f"Film {m} ({1990 + m})" for m in range(1, NUM_MOVIES)}
    label[movie_id(0)] = f"{HOSTILE} (1990)"
    index = {user_id(user): user for user in range(NUM_USERS)}
    test = {(user, movie): rating for user, movie, rating in TEST}
    assert len(findings.examples) == 10
    for one in findings.examples:
        user = index[one.user_id]
        known = {m: float(r) for m, r in enumerate(TRAIN[user]) if r == r}
        known |= {m: r for u, m, r in VALID if u == user}
        assert one.num_ratings == len(known)
        assert [rating for _, rating in one.liked] == sorted(known.values(), reverse=True)[:5]
        assert (
            dict(one.liked).items()
            <= {label[movie_id(movie)]: rating for movie, rating in known.items()}.items()
        )
        mine = sorted((r[c.RANK], r[c.MOVIE_ID]) for r in rows if r[c.USER_ID] == one.user_id)[:5]
        assert [entry.title for entry in one.listed] == [label[movie] for _, movie in mine]
        given = [
            test.get((user, movie))
            for user, movie in (
                (user, next(m for m in range(NUM_MOVIES) if movie_id(m) == i)) for _, i in mine
            )
        ]
        assert [entry.given for entry in one.listed] == given


def test_it_is_made_again_when_something_changed(spark: SparkSession, run: Fitted) -> None:
    report.run(run.config, spark)
    first = run_of(run.config)
    # Evaluated again, with the same result.
    evaluate.run({name: run.models[name] for name in MODELS}, spark)
    report.run(run.config, spark)
    assert run_of(run.config) == first
    report.run(dataclasses.replace(run.config, force=True), spark)
    forced = run_of(run.config)
    assert forced != first
    # Scored again with another model.
    bias = run.models["bias"]
    changed = dataclasses.replace(bias.baseline, bias=BiasConfig(reg_user=50.0))
    baseline.run(dataclasses.replace(bias, baseline=changed), "bias", spark)
    score.run(bias, "bias", spark)
    report.run(run.config, spark)
    assert run_of(run.config) != forced
    assert (
        "Not listed, because their current predictions have not been evaluated: als, bias."
        in page_of(run.config)
    )


def test_page_of_cosine_alone_says_what_is_missing(spark: SparkSession, run: Fitted) -> None:
    paths = RunPaths(run.config.root)
    for name in ("biased_mf", "als"):
        for path in (paths.model(name), paths.predictions(name), paths.recommendations(name)):
            storage.remove(path)
        storage.remove(paths.metrics(name))
    report.run(run.config, spark)
    page = page_of(run.config)
    missing = re.findall(r'<p class="missing">(.*?)</p>', page, re.DOTALL)
    for remedy in ("jobs/recommend.py", "jobs/train.py --models biased_mf", "--models als"):
        assert any(remedy in text for text in missing), remedy
    assert "has the lowest RMSE" in page
    assert "<canvas" not in page


def test_a_model_of_another_train_is_left_out_and_named(spark: SparkSession, run: Fitted) -> None:
    path = Path(RunPaths(run.config.root).model("biased_mf"), "_MANIFEST.json")
    manifest = json.loads(path.read_text())
    manifest["inputs"]["train"] = "another"
    path.write_text(json.dumps(manifest))
    report.run(run.config, spark)
    page = page_of(run.config)
    assert "models/biased_mf, predictions/biased_mf, recommendations/biased_mf" in page
    assert "biased_mf" not in page.split('id="leaderboard"')[1].split("</section>")[0]


def test_credentials_in_a_manifest_do_not_reach_the_page(spark: SparkSession, run: Fitted) -> None:
    paths = RunPaths(run.config.root)
    for path in (Path(folder, "_MANIFEST.json") for folder in (paths.ratings, paths.movies)):
        manifest = json.loads(path.read_text())
        manifest["settings"] = {"ratings": "s3://me:hunter2@bucket/u.data", "secret_key": "hunter2"}
        path.write_text(json.dumps(manifest))
    report.run(run.config, spark)
    assert "hunter2" not in page_of(run.config)
    assert "bucket/u.data" in page_of(run.config)


def test_a_truncated_model_is_reported(spark: SparkSession, run: Fitted) -> None:
    file = Path(RunPaths(run.config.root).model("biased_mf"), "movies.safetensors")
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(DataError, match=r"models/biased_mf: found .*movies\.safetensors of 200 "):
        report.run(run.config, spark)


def test_nothing_ingested_names_the_job(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"ratings: found no .* Run jobs/ingest\.py"):
        report.run(Config(name="t", run_dir=str(tmp_path)), spark)


def test_without_the_plot_packages_it_says_what_to_install(
    spark: SparkSession, run: Fitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(EnvironmentProblem, match=r"no package matplotlib.*recspark\[report\]"):
        report.run(run.config, spark)
