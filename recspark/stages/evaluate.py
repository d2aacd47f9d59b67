"""The evaluate job: the figures of each model and the leaderboard of all of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
import numpy.typing as npt
from pyspark.sql import SparkSession

from recspark.config import Config
from recspark.contract import schemas
from recspark.contract.catalog import MODELS, PREDICTIONS, TEST, TRAIN
from recspark.contract.paths import BLEND, USES_TIMES, RunPaths
from recspark.datasets.lineage import require_current
from recspark.datasets.manifest import Manifest, read_manifest, require_manifest
from recspark.datasets.prepared import PreparedFacts, is_left_out
from recspark.datasets.step import Step
from recspark.evaluation import top_n
from recspark.evaluation.leaderboard import (
    REFERENCE_MODEL,
    Metrics,
    find_worse,
    rank_models,
    render_table,
)
from recspark.evaluation.metrics import Figures, count_movie_ratings, measure_models
from recspark.evaluation.protocol import describe_protocol
from recspark.evaluation.sums import Frame
from recspark.files import json_files, parquet

logger = logging.getLogger(__name__)


def run(models: Mapping[str, Config], spark: SparkSession) -> None:
    """Write `metrics/<model>.json` and `leaderboard.json`, and print the table to stdout.

    Always computed again: one pass over the predictions is too cheap for a check to be worth it.
    The blend is measured too if the config names its members. Without test ratings nothing is
    measured, and nothing is written.

    Args:
        models: Model name to its resolved config; all of one run.
        spark: The session to aggregate in.

    Raises:
        DataError: Predictions are missing, belong to another test, or lack rows or values.
    """
    config = next(iter(models.values()))
    paths = RunPaths(config.root)
    train = require_manifest(paths.train, TRAIN)
    test = require_manifest(paths.test, TEST)
    if is_left_out("evaluate", test):
        return
    jobs = {
        name: "baseline" if one.baseline.algorithm else "train"
        for name, one in models.items()
        if not one.ranks_only
    }
    if config.blend.members:
        jobs[BLEND] = "blend"
    scored = {name: _require_scored(paths, name, job, test) for name, job in jobs.items()}
    inputs = {"train": train.id, "test": test.id}
    inputs |= {f"predictions/{name}": manifest.id for name, manifest in scored.items()}
    lists = [path for path in map(paths.recommendations, jobs) if read_manifest(path)]
    step = Step(
        stage="evaluate",
        settings=asdict(config.evaluate),
        inputs=inputs,
        outputs=(paths.all_metrics,),
        in_place=True,
        force=True,
        root=paths.root,
        reads=[paths.train, paths.test, *map(paths.predictions, jobs), *lists],
        scratch=[*map(paths.metrics, jobs), paths.leaderboard],
    )
    with step:
        ranked = _measure(models, spark, train, test, scored)
        step.record(paths.all_metrics)
    print(render_table(ranked))
    for name in find_worse(ranked):
        logger.warning(
            "evaluate: %s is worse than %s, which knows no taste: it does not suit these data",
            *(name, REFERENCE_MODEL),
        )
    logger.info("evaluate: leaderboard in %s, everything else beside it", paths.leaderboard)


def _measure(
    models: Mapping[str, Config],
    spark: SparkSession,
    train: Manifest,
    test: Manifest,
    scored: Mapping[str, Manifest],
) -> list[Metrics]:
    """Write the figures of each model and the leaderboard, and return the leaderboard."""
    config = next(iter(models.values()))
    paths, facts = RunPaths(config.root), PreparedFacts.of(train)
    frame = Frame(
        train=paths.train,
        num_users=facts.num_users,
        num_buckets=facts.num_buckets,
        movie_support=count_movie_ratings(spark, paths.train, train.bucket_rows, facts.num_movies),
        num_resamples=config.evaluate.resamples,
        seed=config.seed,
    )
    predictions = {name: paths.predictions(name) for name in scored}
    measured = measure_models(spark, predictions, frame, test.bucket_rows)
    metrics: list[Metrics] = []
    for name, figures in measured.items():
        lists = read_manifest(paths.recommendations(name))
        uses_times = bool(scored[name].counts.get(USES_TIMES))
        one = {
            "model": name,
            "protocol": describe_protocol(config.name, test.settings, uses_times=uses_times),
            USES_TIMES: uses_times,
            "predictions": scored[name].id,
            "recommendations": lists.id if lists else None,
            "seconds": round(_count_seconds(config, name), 3),
            **figures,
            "top_n": _measure_lists(
                spark, models.get(name, config), name, facts, frame.movie_support
            ),
        }
        json_files.write_json(paths.metrics(name), one)
        logger.info("evaluate: %s has RMSE %.4f, in %s", name, one["rmse"], paths.metrics(name))
        metrics.append(one)
    ranked = rank_models(metrics)
    json_files.write_json(paths.leaderboard, ranked)
    return ranked


def _require_scored(paths: RunPaths, name: str, job: str, test: Manifest) -> Manifest:
    """Return the manifest of a model's predictions, after checking that they are current."""
    scoring_job = "blend" if name == BLEND else "score"
    scored = require_manifest(paths.predictions(name), PREDICTIONS.made_by(scoring_job))
    fitted = require_manifest(paths.model(name), MODELS.made_by(job))
    require_current(paths.predictions(name), scored, test=test, model=fitted)
    return scored


def _count_seconds(config: Config, name: str) -> float:
    """Return the seconds to fit and score a model.

    Those of a blend include its members', and those of a model that corrects another the fitting of
    that one.
    """
    paths = RunPaths(config.root)
    names = [name, *config.blend.members] if name == BLEND else [name]
    scored = sum(require_manifest(paths.predictions(one), PREDICTIONS).seconds for one in names)
    fitted: dict[str, float] = {}
    while names:
        model = require_manifest(paths.model(names[0]), MODELS)
        fitted[names.pop(0)] = model.seconds
        if model.counts.get("base"):
            names.append(model.counts["base"])
    return scored + sum(fitted.values())


def _measure_lists(
    spark: SparkSession,
    config: Config,
    name: str,
    facts: PreparedFacts,
    movie_support: npt.NDArray[np.int64],
) -> Figures | None:
    """Return the top-N figures of a model, None if it has no lists."""
    paths = RunPaths(config.root)
    path = paths.recommendations(name)
    manifest = read_manifest(path)
    if manifest is None:
        return None
    require_current(path, manifest, model=require_manifest(paths.model(name), MODELS))
    users, movies = (
        parquet.read_dataset(spark, index, schema)
        for index, schema in (
            (paths.user_index, schemas.USER_INDEX),
            (paths.movie_index, schemas.MOVIE_INDEX),
        )
    )
    relevant_rating = config.evaluate.relevant_rating
    if relevant_rating is None:
        relevant_rating = facts.relevant_rating
    figures = top_n.measure_lists(
        top_n.index_lists(spark.read.parquet(path), users, movies),
        parquet.read_dataset(spark, paths.test, schemas.TEST),
        top_k=config.evaluate.top_k,
        relevant_rating=relevant_rating,
        movie_support=movie_support,
        num_users=facts.num_users,
        where=path,
    )
    if figures["unmeasured"]:
        logger.warning("evaluate: lists of %s are not measured: %s", name, figures["unmeasured"])
    return figures
