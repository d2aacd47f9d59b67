from __future__ import annotations

import dataclasses
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession

from recspark.config import Config
from recspark.contract import schemas
from recspark.contract.paths import RunPaths
from recspark.contract.schemas import IdTypes
from recspark.datasets.manifest import read_manifest
from recspark.datasets.step import Step
from recspark.errors import DataError, EnvironmentProblem
from recspark.files import json_files, parquet
from recspark.stages import explore

CELLS = [
    (7, 1, 4.5, "2004-02-28"),
    (7, 2, 3.0, "2004-02-29"),
    (9, 1, 0.5, "2004-02-29"),
    (12, 3, 5.0, "2005-01-01"),
    (12, 2, 4.25, None),
]


def write_ingested(spark: SparkSession, root: str, parts: set[str], num_rows: int = 5) -> None:
    """Publish `ratings`, `movies` or both, as ingest does."""
    paths = RunPaths(root)
    rows = [
        (user, movie, rating, day and datetime.fromisoformat(f"{day}T23:59:59+00:00"))
        for user, movie, rating, day in CELLS[:num_rows]
    ]
    movies = [(1, 1999, "<i>One</i>", "Drama|Comedy"), (2, None, "Two", None)]
    frames = {
        "ratings": (paths.ratings, schemas.RATINGS.with_ids(IdTypes()), rows),
        "movies": (paths.movies, schemas.MOVIES.with_ids(IdTypes()), movies),
    }
    chosen = [frames[name] for name in sorted(parts)]
    step = Step("ingest", {}, {}, [path for path, _, _ in chosen])
    with step:
        for path, schema, values in chosen:
            frame = spark.createDataFrame(values, schema.ddl)
            parquet.write_dataset(frame, step.staging(path), schema)
        step.publish_all([(path, schema, None) for path, schema, _ in chosen])


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(name="small", run_dir=str(tmp_path))


def test_statistics_and_page_are_published(config: Config, spark: SparkSession) -> None:
    write_ingested(spark, config.root, {"ratings", "movies"})
    explore.run(config, spark)
    folder = Path(RunPaths(config.root).explore)
    statistics: dict[str, Any] = json_files.read_json(str(folder / "statistics.json"))
    assert statistics["counts"] == {
        "ratings": 5,
        "users": 3,
        "movies": 3,
        "movies_without_ratings": 0,
        "movies_without_title": 1,
        "ratings_without_time": 1,
        "first_day": "2004-02-28",
        "last_day": "2005-01-01",
        "mean_rating": pytest.approx(3.45),
        "std_rating": pytest.approx(np.std([4.5, 3.0, 0.5, 5.0, 4.25])),
        "sparsity": pytest.approx(4 / 9),
    }
    assert [row["month"] for row in statistics["months"]] == ["2004-02", "2005-01"]
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert "&lt;i&gt;One&lt;/i&gt;" in page
    assert "<i>" not in page
    assert sorted(path.name for path in folder.iterdir()) == [
        "_MANIFEST.json",
        "index.html",
        "statistics.json",
    ]
    manifest, ratings = read_manifest(str(folder)), read_manifest(RunPaths(config.root).ratings)
    assert manifest is not None
    assert ratings is not None
    assert f"Ratings as ingested on {ratings.created_at[:16].replace('T', ' ')} UTC" in page
    assert manifest.inputs["ratings"] == ratings.id
    assert manifest.counts["ratings"] == 5

    explore.run(config, spark)
    again = read_manifest(str(folder))
    assert again == manifest  # skipped: nothing changed
    explore.run(dataclasses.replace(config, force=True), spark)
    forced = read_manifest(str(folder))
    assert forced is not None
    assert forced.run != manifest.run
    assert forced.id == manifest.id  # the same content


@pytest.mark.parametrize(("there", "missing"), [("ratings", "movies"), ("movies", "ratings")])
def test_a_missing_input_names_the_stage_to_run(
    config: Config, spark: SparkSession, there: str, missing: str
) -> None:
    write_ingested(spark, config.root, {there})
    with pytest.raises(DataError, match=rf"{missing}: found no .* Run jobs/ingest\.py"):
        explore.run(config, spark)


def test_no_ratings_is_an_error_and_writes_nothing(config: Config, spark: SparkSession) -> None:
    write_ingested(spark, config.root, {"ratings", "movies"}, num_rows=0)
    with pytest.raises(DataError, match="found no ratings"):
        explore.run(config, spark)
    assert sorted(path.name for path in Path(config.root).iterdir()) == ["movies", "ratings"]


def test_lost_ratings_are_noticed(config: Config, spark: SparkSession) -> None:
    write_ingested(spark, config.root, {"ratings", "movies"})
    next(Path(RunPaths(config.root).ratings).glob("*.parquet")).unlink()
    with pytest.raises(DataError, match=r"ratings: found no .*part-.*\.parquet"):
        explore.run(config, spark)


@pytest.mark.parametrize("package", ["matplotlib", "jinja2"])
def test_without_the_plot_packages_it_says_what_to_install(
    config: Config, spark: SparkSession, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    write_ingested(spark, config.root, {"ratings", "movies"})
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(EnvironmentProblem, match=rf"no package {package}.*recspark\[report\]"):
        explore.run(config, spark)
