"""The evaluate job: the figures of each model and the leaderboards of ratings and of lists."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np
import numpy.typing as npt
from pyspark.sql import SparkSession

from recspark.config import Config
from recspark.contract.catalog import MODELS, PREDICTIONS, TEST, TRAIN
from recspark.contract.paths import BLEND, LIST_BLEND, USES_TIMES, RunPaths
from recspark.datasets.lineage import require_current
from recspark.datasets.manifest import Manifest, require_manifest
from recspark.datasets.movie_sums import count_movie_ratings
from recspark.datasets.prepared import PreparedFacts, is_left_out
from recspark.datasets.step import Step
from recspark.datasets.train_buckets import locate_train
from recspark.evaluation.leaderboard import (
    REFERENCE_MODEL,
    Metrics,
    find_worse,
    rank_models,
    render_table,
)
from recspark.evaluation.lists_leaderboard import (
    YARDSTICK,
    Row,
    find_not_better,
    rank_lists,
    render_lists,
)
from recspark.evaluation.metrics import measure_models
from recspark.evaluation.protocol import describe_protocol, with_lists
from recspark.evaluation.run_lists import find_lists, measure_run
from recspark.evaluation.sums import Frame
from recspark.evaluation.top_n import Figures
from recspark.files import json_files

logger = logging.getLogger(__name__)


def run(models: Mapping[str, Config], spark: SparkSession) -> None:
    """Write `metrics/<model>.json`, `leaderboard.json` and `lists.json`, and print the tables.

    Always computed again: one pass over the predictions is too cheap for a check to be worth it.
    The blends are measured too if the config names their members. Models that rank and predict no
    ratings have figures of their lists only. Without test ratings nothing is measured, and nothing
    is written.

    Args:
        models: Model name to its resolved config; all of one run.
        spark: The session to aggregate in.

    Raises:
        DataError: Predictions are missing, belong to another test, or lack rows or values; lists
            were made with an earlier model, or have unknown ids or a rank twice.
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
    of_lists = [LIST_BLEND] if config.list_blend.members else []
    names = list(dict.fromkeys([*jobs, *models, *of_lists]))
    scored = {name: _require_scored(paths, name, job, test) for name, job in jobs.items()}
    lists = find_lists(paths, names)
    inputs = {"train": train.id, "test": test.id}
    inputs |= {f"predictions/{name}": manifest.id for name, manifest in scored.items()}
    inputs |= {f"recommendations/{name}": manifest.id for name, manifest in lists.items()}
    read = [*map(paths.predictions, jobs), *map(paths.recommendations, lists)]
    read += [paths.valid] if lists else []
    step = Step(
        stage="evaluate",
        settings=asdict(config.evaluate),
        inputs=inputs,
        outputs=(paths.all_metrics,),
        in_place=True,
        force=True,
        root=paths.root,
        reads=[paths.train, paths.test, *read],
        scratch=[*map(paths.metrics, names), paths.leaderboard, paths.lists_leaderboard],
    )
    with step:
        support = count_movie_ratings(spark, [locate_train(paths.train, train)])
        ratings = _measure_ratings(config, train, test, scored, support, spark)
        listed = measure_run(config, lists, train, support, spark) if lists else {}
        metrics: dict[str, Metrics] = {}
        for name in names:
            head = _describe(config, test, name, scored.get(name), lists.get(name))
            figures = ratings.get(name, {})
            metrics[name] = {**head, **figures, "top_n": listed.get(name)}
            json_files.write_json(paths.metrics(name), metrics[name])
        ranked = rank_models([metrics[name] for name in scored])
        if ranked:
            json_files.write_json(paths.leaderboard, ranked)
        board = _rank_lists(config, test, lists, listed)
        json_files.write_json(paths.lists_leaderboard, board)
        step.record(paths.all_metrics)
    _show(ranked, board)
    logger.info("evaluate: leaderboard in %s, everything else beside it", paths.leaderboard)


def _show(ranked: Sequence[Metrics], board: Sequence[Row]) -> None:
    """Print the leaderboards, and warn of models that are worse than what knows no taste."""
    if ranked:
        print(render_table(ranked))
    for name in find_worse(ranked):
        logger.warning(
            "evaluate: %s is worse than %s, which knows no taste: it does not suit these data",
            *(name, REFERENCE_MODEL),
        )
    if board:
        print(f"\n{render_lists(board)}")
    for row in board:
        if row["unmeasured"]:
            logger.warning(
                "evaluate: lists of %s are not measured: %s", row["model"], row["unmeasured"]
            )
    for name in find_not_better(board):
        logger.warning(
            "evaluate: lists of %s are not better than %s, the same list for all, beyond the "
            "interval",
            *(name, YARDSTICK),
        )


def _describe(
    config: Config, test: Manifest, name: str, scored: Manifest | None, listed: Manifest | None
) -> Metrics:
    """Return what a model's figures are about; models that rank only have no predictions."""
    head: Metrics = {"model": name, "protocol": _protocol(config, test)}
    if scored is not None:
        uses_times = bool(scored.counts.get(USES_TIMES))
        head["protocol"] = _protocol(config, test, uses_times=uses_times)
        head |= {USES_TIMES: uses_times, "predictions": scored.id}
    head["recommendations"] = listed.id if listed else None
    head["seconds"] = round(_count_seconds(config, name, is_scored=scored is not None), 3)
    return head


def _measure_ratings(
    config: Config,
    train: Manifest,
    test: Manifest,
    scored: Mapping[str, Manifest],
    support: npt.NDArray[np.int64],
    spark: SparkSession,
) -> dict[str, Figures]:
    """Return the figures of each model that predicts ratings."""
    if not scored:
        return {}
    paths, facts = RunPaths(config.root), PreparedFacts.of(train)
    frame = Frame(
        train=paths.train,
        num_users=facts.num_users,
        num_buckets=facts.num_buckets,
        movie_support=support,
        num_resamples=config.evaluate.resamples,
        seed=config.seed,
    )
    predictions = {name: paths.predictions(name) for name in scored}
    found = measure_models(spark, predictions, frame, test.bucket_rows)
    for name, figures in found.items():
        logger.info("evaluate: %s has RMSE %.4f", name, figures["rmse"])
    return found


def _rank_lists(
    config: Config, test: Manifest, lists: Mapping[str, Manifest], listed: Mapping[str, Figures]
) -> list[Row]:
    """Return the rows of the leaderboard of lists."""
    rows = []
    for name, figures in listed.items():
        protocol = _protocol(config, test)
        limit, k = figures["relevant_rating"], figures["k"]
        settings = lists[name].settings if name in lists else {}
        one = {
            "model": name,
            "protocol": with_lists(protocol, limit, k, settings),
            "test": test.id,
            "recommendations": lists[name].id if name in lists else None,
        }
        rows.append({**one, **{key: x for key, x in figures.items() if key != "bootstrap"}})
    return rank_lists(rows)


def _protocol(config: Config, test: Manifest, *, uses_times: bool = False) -> str:
    return describe_protocol(config.name, test.settings, uses_times=uses_times)


def _require_scored(paths: RunPaths, name: str, job: str, test: Manifest) -> Manifest:
    """Return the manifest of a model's predictions, after checking that they are current."""
    scoring_job = "blend" if name == BLEND else "score"
    scored = require_manifest(paths.predictions(name), PREDICTIONS.made_by(scoring_job))
    fitted = require_manifest(paths.model(name), MODELS.made_by(job))
    require_current(paths.predictions(name), scored, test=test, model=fitted)
    return scored


def _count_seconds(config: Config, name: str, *, is_scored: bool) -> float:
    """Return the seconds to fit a model, and to score test with it if it predicts ratings.

    Those of a blend include its members', and those of a model that corrects another the fitting of
    that one.
    """
    paths = RunPaths(config.root)
    members = {BLEND: config.blend.members, LIST_BLEND: config.list_blend.members}
    names = [name, *members.get(name, ())]
    scored = 0.0
    if is_scored:
        scored = sum(require_manifest(paths.predictions(one), PREDICTIONS).seconds for one in names)
    fitted: dict[str, float] = {}
    while names:
        model = require_manifest(paths.model(names[0]), MODELS)
        fitted[names.pop(0)] = model.seconds
        if model.counts.get("base"):
            names.append(model.counts["base"])
    return scored + sum(fitted.values())
