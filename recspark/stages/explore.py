"""The explore job: ratings and movies → statistics.json and index.html, a page of plots."""

from __future__ import annotations

import logging
import posixpath

from pyspark.sql import SparkSession

from recspark.config import Config
from recspark.contract import schemas
from recspark.contract.catalog import MOVIES, RATINGS
from recspark.contract.paths import PAGE, STATISTICS, RunPaths
from recspark.datasets.manifest import require_manifest
from recspark.datasets.step import Step
from recspark.errors import DataError, describe
from recspark.explore.statistics import compute_statistics
from recspark.files import json_files, parquet, storage
from recspark.page.packages import require_packages

logger = logging.getLogger(__name__)


def run(config: Config, spark: SparkSession) -> None:
    """Write the folder `explore` of the run directory.

    Raises:
        EnvironmentProblem: The packages for plots are not installed.
        DataError: `ratings` or `movies` is missing, `ratings` is empty, or rows were lost.
    """
    paths = RunPaths(config.root)
    ratings = require_manifest(paths.ratings, RATINGS)
    movies = require_manifest(paths.movies, MOVIES)
    inputs = {"ratings": ratings.id, "movies": movies.id}
    step = Step(
        stage="explore",
        settings={"name": config.name},
        inputs=inputs,
        outputs=(paths.explore,),
        force=config.force,
        root=paths.root,
        reads=[paths.ratings, paths.movies],
    )
    if step.is_done():
        return
    # Checked first: it fails at once, while the aggregates may take minutes.
    require_packages("explore")
    from recspark.explore.page import render_page

    with step:
        if ratings.num_rows == 0:
            raise DataError(
                describe(
                    paths.ratings,
                    found="no ratings",
                    expected="at least one",
                    remedy="Check ingest.ratings, and what ingest wrote to rejects.",
                )
            )
        statistics = compute_statistics(
            parquet.read_dataset(spark, paths.ratings, schemas.RATINGS),
            parquet.read_dataset(spark, paths.movies, schemas.MOVIES),
        )
        if statistics["counts"]["ratings"] != ratings.num_rows:
            raise DataError(
                describe(
                    "explore (ratings)",
                    found=f"{statistics['counts']['ratings']:,} rows",
                    expected=f"{ratings.num_rows:,}",
                    remedy="Run jobs/ingest.py again with --force.",
                )
            )
        staging = step.staging(paths.explore)
        json_files.write_json(posixpath.join(staging, STATISTICS), statistics)
        ingested = ratings.created_at[:16].replace("T", " ")
        page = render_page(config.name, statistics, f"{ingested} UTC")
        storage.write_bytes(posixpath.join(staging, PAGE), page.encode())
        step.publish(paths.explore, None, statistics["counts"])
    logger.info("explore: open %s", posixpath.join(paths.explore, PAGE))
