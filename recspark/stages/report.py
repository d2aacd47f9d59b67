"""The report job: the run directory → report/index.html."""

from __future__ import annotations

import logging
import posixpath
from dataclasses import asdict
from typing import Any

from pyspark.sql import SparkSession

from recspark.config import Config
from recspark.contract import columns as c
from recspark.contract import schemas
from recspark.contract.catalog import RATINGS
from recspark.contract.paths import PAGE, STATISTICS, RunPaths
from recspark.contract.schemas import Schema
from recspark.datasets.lineage import find_outdated
from recspark.datasets.manifest import Manifest, require_manifest
from recspark.datasets.prepared import PreparedFacts
from recspark.datasets.step import Step
from recspark.evaluation.lists_leaderboard import YARDSTICK
from recspark.files import parquet, storage
from recspark.files.json_files import require_json
from recspark.page.packages import require_packages
from recspark.report.co_rated import find_co_rated
from recspark.report.embedding import open_embedding
from recspark.report.examples import Example, choose_users, describe_users
from recspark.report.findings import Findings
from recspark.report.histories import read_trainings
from recspark.report.inventory import Inventory, take_inventory
from recspark.report.leaderboards import fingerprint_metrics, read_leaderboards, read_lists
from recspark.report.movies import Movies, read_movies

logger = logging.getLogger(__name__)

NUM_USERS = 10
LIST_LENGTH = 5
# As many as the Netflix set has movies.
MOST_POINTS = 17_770
_READ = ("movies", "user_index", "movie_index", "train", "valid", "test", "explore")


def run(config: Config, spark: SparkSession) -> None:
    """Write `report/index.html`; a part whose data sets are missing says which job to run.

    Raises:
        EnvironmentProblem: The packages for plots are not installed.
        DataError: Nothing is ingested, or a data set is damaged.
    """
    paths = RunPaths(config.root)
    require_manifest(paths.ratings, RATINGS)
    inventory = take_inventory(config.root)
    inputs = {name: manifest.id for name, manifest in inventory.manifests.items()}
    # evaluate writes its metrics again in every run: only changed content counts.
    inputs.pop("metrics", None)
    inputs |= fingerprint_metrics(inventory)
    settings = {"name": config.name, "seed": config.seed, **asdict(config.report)}
    step = Step(
        stage="report",
        settings=settings,
        inputs=inputs,
        outputs=(paths.report,),
        force=config.force,
        root=paths.root,
        reads=[posixpath.join(paths.root, name) for name in inventory.manifests if _is_read(name)],
    )
    if step.is_done():
        return
    require_packages("report")
    from recspark.report.assemble import make_report

    with step:
        page = make_report(gather(config, inventory, spark)).encode()
        storage.write_bytes(posixpath.join(step.staging(paths.report), PAGE), page)
        step.publish(paths.report, None, {"bytes": len(page)})
    logger.info("report: open %s", posixpath.join(paths.report, PAGE))


def gather(config: Config, inventory: Inventory, spark: SparkSession) -> Findings:
    """Return everything that the report shows.

    The driver holds all movies with their vectors, but only the few users that are shown.
    """
    leaderboards, models = read_leaderboards(inventory), inventory.models()
    ranking = leaderboards.ranking
    by_rank = [*ranking, *(name for name in models if name not in ranking)]
    lists = read_lists(inventory)
    # The yardstick stands beside the lists of any other model.
    by_lists = sorted([*lists.ranking, *by_rank], key=lambda name: name == YARDSTICK)
    lists_model = next((n for n in by_lists if inventory.made_by(n, "recommendations")), None)
    min_ratings = config.report.min_ratings
    movies = read_movies(inventory.paths) if inventory.get("train") else None
    return Findings(
        name=config.name,
        inventory=inventory,
        leaderboards=leaderboards,
        trainings=read_trainings(inventory),
        lists=lists,
        statistics=_read_statistics(inventory),
        movies=movies,
        embedding=None
        if movies is None
        else open_embedding(
            inventory, by_rank, movies.num_ratings, min_ratings=min_ratings, max_points=MOST_POINTS
        ),
        co_rated=None
        if movies is None
        else find_co_rated(inventory, by_lists, movies.num_ratings, min_ratings=min_ratings),
        min_ratings=min_ratings,
        lists_model=lists_model,
        examples=_find_examples(config.seed, inventory, lists_model, movies, spark)
        if lists_model and movies
        else [],
    )


def _is_read(name: str) -> bool:
    """Return whether the report reads a data set, not only its manifest."""
    return name in _READ or name.startswith(("models/", "recommendations/"))


def _read_statistics(inventory: Inventory) -> dict[str, Any] | None:
    explore, ratings = inventory.get("explore"), inventory.get("ratings")
    if explore is None or find_outdated(explore, ratings=ratings):
        return None
    found: dict[str, Any] = require_json(
        posixpath.join(inventory.paths.explore, STATISTICS),
        expected="the statistics of the ratings",
        remedy="Run jobs/explore.py with --force.",
    )
    return found


def _find_examples(
    seed: int, inventory: Inventory, model: str, movies: Movies, spark: SparkSession
) -> list[Example]:
    paths, train = inventory.paths, inventory.get("train")
    assert train is not None  # because there are models fitted on it
    facts = PreparedFacts.of(train)
    lists, popular = (
        parquet.read_dataset(spark, paths.recommendations(name), _schema_of(made))
        if (made := inventory.made_by(name, "recommendations"))
        else None
        for name in (model, YARDSTICK)
    )
    assert lists is not None  # they were found before
    rated, more, test = (
        parquet.read_dataset(spark, path, schema)
        for path, schema in (
            (paths.train, schemas.TRAIN),
            (paths.valid, schemas.VALID),
            (paths.test, schemas.TEST),
        )
    )
    users = choose_users(
        lists,
        parquet.read_dataset(spark, paths.user_index, schemas.USER_INDEX),
        num_users=facts.num_users,
        seed=seed,
        count=NUM_USERS,
    )
    return describe_users(
        users,
        rated.unionByName(more),
        test,
        lists,
        movies,
        num_buckets=facts.num_buckets,
        length=LIST_LENGTH,
        popular=None if model == YARDSTICK else popular,
    )


def _schema_of(lists: Manifest) -> Schema:
    """Return the columns of lists that the report shows: reasons too, where there are any."""
    kinds = {name: kind for name, kind in lists.columns.items() if name == c.REASONS}
    return schemas.RECOMMENDATIONS.with_columns(kinds)
