"""The score job: test with the prediction of one model, every row exactly once."""

from __future__ import annotations

from pyspark.sql import SparkSession

from recspark.cluster.tasks import commit_parts, spread, sums_of
from recspark.config import Config
from recspark.contract import schemas
from recspark.contract.catalog import MODELS, TEST
from recspark.contract.paths import USES_TIMES, RunPaths
from recspark.datasets.manifest import require_manifest
from recspark.datasets.prepared import is_left_out
from recspark.datasets.step import Step
from recspark.errors import DataError, describe
from recspark.scoring.buckets import score_bucket
from recspark.scoring.lineage import require_scoring


def run(config: Config, model_name: str, spark: SparkSession) -> None:
    """Write `predictions/<model_name>`: as many rows as test, none without a prediction.

    Without test ratings there is nothing to score, and nothing is written.

    Args:
        config: The model's resolved config.
        model_name: Name of the preset.
        spark: The session to score in.

    Raises:
        DataError: An input is missing, a model belongs to another train, or rows were lost.
    """
    paths = RunPaths(config.root)
    test = require_manifest(paths.test, TEST)
    scoring, models = require_scoring(config, model_name)
    if is_left_out("score", test):
        return
    output = paths.predictions(model_name)
    inputs = {"test": test.id, **models}
    reads = [paths.test, paths.train, *scoring.folders]
    step = Step(
        stage="score",
        # Predictions of a version with other columns are made again.
        settings={"model": model_name, "columns": list(schemas.PREDICTIONS.columns)},
        inputs=inputs,
        outputs=(output,),
        force=config.force,
        root=paths.root,
        reads=reads,
    )
    if step.is_done():
        return
    with step:
        source, root = paths.test, step.staging(output)
        work = [item for item in test.bucket_rows.items() if item[1]]
        scored = spread(spark, work, len(work)).map(
            lambda item: score_bucket(scoring, source, *item, root)
        )
        parts = scored.collect()
        num_rows = commit_parts(parts, root)
        _check_rows(output, num_rows, test.num_rows)
        card = require_manifest(paths.model(model_name), MODELS).counts
        counts = {USES_TIMES: bool(card.get(USES_TIMES))}
        step.publish(output, schemas.PREDICTIONS, counts, sums_of(parts))


def _check_rows(path: str, found: int, expected: int) -> None:
    if found != expected:
        raise DataError(
            describe(
                path,
                found=f"{found:,} predictions",
                expected=f"{expected:,}, one for each row of test",
                remedy="Run jobs/score.py with --force. If that fails, report it: recspark must "
                "not lose rows.",
            )
        )
