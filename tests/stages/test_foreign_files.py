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
    settings = {"format": "table", "ratings": str(project / "data"), "table": table, **ingest}
    return Config(
        name="t",
        run_dir=str(project / "run"),
        ingest=IngestConfig(**settings),  # type: ignore[arg-type]
        prepare=PrepareConfig(num_buckets=2, test_fraction=0.3, valid_fraction=0.0),
        recommend=RecommendConfig(models=["bias"]),
    )


def foreign_files(project: Path) -> dict[str, str]:
    """Return the content of every file that is in no data set with a manifest."""
    ours = {path.parent for path in project.rglob(MANIFEST)}
    found = {}
    for path in sorted(project.rglob("*")):
        is_ours = any(parent in ours for parent in path.parents)
        if path.is_file() and not is_ours:
            found[str(path.relative_to(project))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def run(config: Config, spark: SparkSession) -> None:
    model = dataclasses.replace(config, baseline=BaselineConfig(algorithm="bias"))
    pipeline.run(config, {"bias": model}, spark)


def test_nothing_of_the_user_changes_whatever_is_run(spark: SparkSession, project: Path) -> None:
    before = foreign_files(project)
    config = config_of(project)
    run(config, spark)
    # The files that recspark keeps outside of data sets are its own as well.
    own = {"run/leaderboard.json"}
    assert {k: v for k, v in foreign_files(project).items() if k not in own} == before
    run(dataclasses.replace(config, force=True), spark)
    (project / "data" / "ratings.csv").write_text("user,item,stars,when\na,b,c,d\n")
    with pytest.raises(DataError, match="1 of 2 lines refused"):
        run(config, spark)
    before["data/ratings.csv"] = foreign_files(project)["data/ratings.csv"]
    assert {k: v for k, v in foreign_files(project).items() if k not in own} == before


@pytest.mark.parametrize("name", ["ratings", "train", "user_index", "report", "movies"])
def test_folder_of_the_user_in_the_place_of_an_output_stops_the_run(
    spark: SparkSession, project: Path, name: str
) -> None:
    mine = project / "run" / name / "mine.parquet"
    mine.parent.mkdir()
    mine.write_text("mine")
    before = foreign_files(project)
    with pytest.raises(DataError, match="files that recspark did not write"):
        run(config_of(project), spark)
    after = foreign_files(project)
    assert {k: v for k, v in after.items() if k in before} == before


def test_input_inside_an_output_is_refused(spark: SparkSession, project: Path) -> None:
    inside = project / "run" / "ratings"
    inside.mkdir()
    (inside / "ratings.csv").write_bytes((project / "data" / "ratings.csv").read_bytes())
    before = foreign_files(project)
    with pytest.raises(DataError, match="which this job replaces"):
        run(config_of(project, ratings=str(inside)), spark)
    assert foreign_files(project) == before


def test_scratch_of_prepare_is_not_taken_for_the_user(spark: SparkSession, project: Path) -> None:
    run(config_of(project), spark)
    killed = project / "run" / ".settled.tmp" / "part-0.parquet"
    killed.parent.mkdir()
    killed.write_text("left by a run that was killed")
    prepare.run(dataclasses.replace(config_of(project), force=True), spark)
    assert not killed.exists()
