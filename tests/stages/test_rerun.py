"""A change that does not reach the ratings redoes nothing that follows."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from recspark.config import BaselineConfig, Config, IngestConfig, PrepareConfig, TableConfig
from recspark.contract.paths import RunPaths
from recspark.datasets.manifest import read_manifest
from recspark.stages import baseline, ingest, prepare, score

LINES = [f"{user},{movie},{1 + user * movie % 5}" for user in range(1, 9) for movie in range(1, 7)]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    raw = tmp_path / "raw.csv"
    raw.write_text("\n".join(["user,movie,rating", *LINES, ""]))
    return Config(
        name="first",
        run_dir=str(tmp_path / "run"),
        ingest=IngestConfig(
            format="table",
            ratings=str(raw),
            table=TableConfig(user="user", movie="movie", rating="rating"),
        ),
        prepare=PrepareConfig(test_fraction=0.3, valid_fraction=0.0, num_buckets=2),
        baseline=BaselineConfig(algorithm="bias"),
    )


def run(config: Config, spark: SparkSession) -> dict[str, str]:
    """Run the stages, and return which run of a stage made each data set."""
    ingest.run(config, spark)
    prepare.run(config, spark)
    baseline.run(config, "bias", spark)
    score.run(config, "bias", spark)
    paths = RunPaths(config.root)
    found = {
        "ratings": paths.ratings,
        "train": paths.train,
        "model": paths.model("bias"),
        "predictions": paths.predictions("bias"),
    }
    manifests = {name: read_manifest(path) for name, path in found.items()}
    return {name: manifest.run for name, manifest in manifests.items() if manifest}


def with_ingest(config: Config, **changes: object) -> Config:
    return dataclasses.replace(config, ingest=dataclasses.replace(config.ingest, **changes))


def test_harmless_changes_redo_nothing(spark: SparkSession, config: Config) -> None:
    first = run(config, spark)
    for changed in (
        dataclasses.replace(config, name="second"),
        with_ingest(config, max_reject_fraction=0.5),
        with_ingest(config, max_unpacked_bytes=10**9),
    ):
        assert run(changed, spark) == first


def test_raw_file_with_the_same_ratings_redoes_ingest_alone(
    spark: SparkSession, config: Config
) -> None:
    first = run(config, spark)
    os.utime(config.ingest.ratings, (1.0, 1.0))
    touched = run(config, spark)
    assert touched["ratings"] != first["ratings"]
    assert {**touched, "ratings": first["ratings"]} == first
    again = with_ingest(config, ratings=f"file://{config.ingest.ratings}")
    assert run(again, spark)["train"] == first["train"]
    # Everything made again gives the same content, bit by bit.
    forced = dataclasses.replace(config, force=True)
    prepare.run(forced, spark)
    baseline.run(forced, "bias", spark)
    assert run(config, spark)["predictions"] == first["predictions"]


def test_one_rating_more_redoes_everything(spark: SparkSession, config: Config) -> None:
    first = run(config, spark)
    with open(config.ingest.ratings, "a") as file:
        file.write("9,1,5\n")
    assert not set(run(config, spark).values()) & set(first.values())
