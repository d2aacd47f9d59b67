"""The evaluate job: the figures of each model and the leaderboard of all of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict

from pyspark.sql import SparkSession

from recspark import schemas, storage
from recspark.config import Config
from recspark.errors import DataError, describe
from recspark.evaluation.leaderboard import Metrics, rank_models, render_table
from recspark.evaluation.metrics import measure_accuracy
from recspark.evaluation.protocol import describe_protocol
from recspark.manifest import require_manifest
from recspark.paths import RunPaths

logger = logging.getLogger(__name__)


def run(models: Mapping[str, Config], spark: SparkSession) -> None:
    """Write `metrics/<model>.json` and `leaderboard.json`, and print the table to stdout.

    Always computed anew: one pass over the predictions costs less than finding out whether
    anything changed could save.

    Args:
        models: Model name to its resolved config; all of one run.
        spark: The session to aggregate in.

    Raises:
        DataError: Predictions are missing, belong to another test, or lack rows or values.
    """
    measured = [_evaluate(config, name, spark) for name, config in models.items()]
    paths = RunPaths(next(iter(models.values())).root)
    ranked = rank_models(measured)
    storage.write_json(paths.leaderboard, ranked)
    print(render_table(ranked))
    logger.info("evaluate: leaderboard in %s, everything else beside it", paths.leaderboard)


def _evaluate(config: Config, name: str, spark: SparkSession) -> Metrics:
    paths = RunPaths(config.root)
    test = require_manifest(paths.test, "prepare")
    scored = require_manifest(paths.predictions(name), "score")
    fitted = require_manifest(
        paths.model(name), "baseline" if config.baseline.algorithm else "train"
    )
    if (scored.inputs.get("test"), scored.inputs.get("model")) != (test.id, fitted.id):
        raise DataError(
            describe(
                paths.predictions(name),
                found="predictions of an earlier test set or model",
                expected="those of the test set and model that are there now",
                remedy="Run jobs/score.py with the same --config again.",
            )
        )
    predictions = storage.read_dataset(spark, paths.predictions(name), schemas.PREDICTIONS)
    accuracy = measure_accuracy(predictions, num_rows=test.num_rows, where=paths.predictions(name))
    metrics: Metrics = {
        "model": name,
        "protocol": describe_protocol(config.name, test.settings),
        **asdict(accuracy),
        "seconds": round(fitted.seconds + scored.seconds, 3),
    }
    storage.write_json(paths.metrics(name), metrics)
    logger.info("evaluate: %s has RMSE %.4f, in %s", name, accuracy.rmse, paths.metrics(name))
    return metrics
