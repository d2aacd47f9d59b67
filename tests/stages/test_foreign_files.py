"""Whatever is run, no file changes that recspark did not write."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from recspark.config import (
    BaselineConfig,
    Config,
    IngestConfig,
    PrepareConfig,
    RecommendConfig,
    TableConfig,
)
from recspark.datasets.staging import MANIFEST
from recspark.errors import DataError
from recspark.stages import pipeline, prepare

FOREIGN = (
    "README.md",
    "src/train/model.py",
    "data/notes.txt",
    "run/notes.txt",
    "run/.hidden",
    "run/models/mine.bin",
    "run/models/.mine.tmp",
    "run/metrics/mine.csv",
    "run/ratings.bak/part-0.parquet",
    "run/.ratings.bak/part-0.parquet",
    "run/ratings_old/part-0.parquet",
    "run/_exchange/block",
    "run/predictions/notes/a.txt",
    "run/report.html",
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project with ratings, and a run directory that the user keeps things in."""
    for name in FOREIGN:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"mine: {name}")
    rows = [f"u{n % 7},m{n % 11},{1 + n % 5},2005-01-{1 + n % 28:02d}" for n in range(200)]
    (tmp_path / "data" / "ratings.csv").write_text("\n".join(["user,item,stars,when", *rows]))
    (tmp_path / "run" / "link").symlink_to(tmp_path / "data")
    return tmp_path


def config_of(project: Path, **ingest: object) -> Config:
    table = TableConfig(user="user", movie="item", rating="stars", time="when")
    settings = {
        "format": "table",
        "ratings": str(project / "data" / "ratings.csv"),
        "table": table,
        **ingest,
    }
    return Config(
        name="t",
        run_dir=str(project / "run"),
        ingest=IngestConfig(**settings),  # type: ignore[arg-type]
        prepare=PrepareConfig(num_buckets=2, test_fraction=0.3, valid_fraction=0.0),
        recommend=RecommendConfig(models=["bias"]),
    )


def contents(project: Path) -> dict[str, str]:
    """Return a checksum of every file."""
    return {
        str(path.relative_to(project)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(project.rglob("*"))
        if path.is_file()
    }


def changes(project: Path, before: dict[str, str]) -> list[str]:
    """Return what of before has changed, and the new files that are in no data set of ours."""
    ours = {path.parent for path in project.rglob(MANIFEST)}
    after = contents(project)
    changed = [name for name, sum_ in before.items() if after.get(name) != sum_]
    new = [
        name
        for name in sorted(set(after) - set(before) - {"run/leaderboard.json", "run/lists.json"})
        if not any(parent in ours for parent in (project / name).parents)
    ]
    return changed + new


def run(config: Config, spark: SparkSession) -> None:
    model = dataclasses.replace(config, baseline=BaselineConfig(algorithm="bias"))
    pipeline.run(config, {"bias": model}, spark)


def test_nothing_of_the_user_changes_whatever_is_run(spark: SparkSession, project: Path) -> None:
    before = contents(project)
    config = config_of(project)
    run(config, spark)
    assert changes(project, before) == []
    run(dataclasses.replace(config, force=True), spark)
    assert changes(project, before) == []
    (project / "data" / "ratings.csv").write_text("user,item,stars,when\na,b,c,2005-01-01\n")
    with pytest.raises(DataError, match="1 of 2 lines refused"):
        run(config, spark)
    assert changes(project, before) == ["data/ratings.csv"]


@pytest.mark.parametrize(
    "name",
    ["ratings", "train", "user_index", pytest.param("report", marks=pytest.mark.slow), "movies"],
)
def test_folder_of_the_user_in_the_place_of_an_output_stops_the_run(
    spark: SparkSession, project: Path, name: str
) -> None:
    mine = project / "run" / name / "mine.parquet"
    mine.parent.mkdir()
    mine.write_text("mine")
    before = contents(project)
    with pytest.raises(DataError, match="files that recspark did not write"):
        run(config_of(project), spark)
    assert changes(project, before) == []


def test_input_inside_an_output_is_refused(spark: SparkSession, project: Path) -> None:
    inside = project / "run" / "ratings"
    inside.mkdir()
    (inside / "ratings.csv").write_bytes((project / "data" / "ratings.csv").read_bytes())
    before = contents(project)
    with pytest.raises(DataError, match="which this job replaces"):
        run(config_of(project, ratings=str(inside)), spark)
    assert changes(project, before) == []


def test_scratch_of_prepare_is_not_taken_for_the_user(spark: SparkSession, project: Path) -> None:
    run(config_of(project), spark)
    killed = project / "run" / ".settled.tmp" / "part-0.parquet"
    killed.parent.mkdir()
    killed.write_text("left by a run that was killed")
    prepare.run(dataclasses.replace(config_of(project), force=True), spark)
    assert not killed.exists()
