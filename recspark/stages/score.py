"""The score job: test with the prediction of one model, every row exactly once."""

from __future__ import annotations

from pyspark.sql import SparkSession

from recspark import schemas, storage
from recspark.baselines import bias
from recspark.baselines.user_block import locate_train
from recspark.config import Config
from recspark.errors import DataError, describe
from recspark.manifest import Manifest, Step, read_manifest, require_manifest
from recspark.paths import RunPaths
from recspark.scoring.fallback import clip_predictions, fill_predictions
from recspark.scoring.predict import predict

FALLBACK_MODEL = "bias"


def run(config: Config, model_name: str, spark: SparkSession) -> None:
    """Write `predictions/<model_name>`: as many rows as test, none without a prediction.

    Args:
        config: The model's resolved config.
        model_name: Name of the preset.
        spark: The session to score in.

    Raises:
        DataError: An input is missing, a model belongs to another train, or rows were lost.
    """
    paths = RunPaths(config.root)
    train = require_manifest(paths.train, "prepare")
    test = require_manifest(paths.test, "prepare")
    job = "baseline" if config.baseline.algorithm else "train"
    model = require_manifest(paths.model(model_name), job)
    fallback = _require_fallback(paths)
    for name, manifest in ((model_name, model), (FALLBACK_MODEL, fallback)):
        _check_same_train(paths.model(name), manifest, train)
    inputs = {"test": test.id, "model": model.id, "fallback": fallback.id}
    output = paths.predictions(model_name)
    step = Step("score", {"model": model_name}, inputs, (output,), config.force)
    if step.is_done():
        return
    with step:
        rows = storage.read_dataset(spark, paths.test, schemas.TEST)
        predicted = predict(rows, paths.model(model_name), locate_train(paths.train, train))
        filled = fill_predictions(predicted, bias.load(spark, paths.model(FALLBACK_MODEL)))
        clipped = clip_predictions(
            filled, lowest=train.counts["rating_min"], highest=train.counts["rating_max"]
        )
        storage.write_dataset(clipped, step.staging(output), schemas.PREDICTIONS)
        _check_rows(step.staging(output), test.num_rows)
        step.publish(output, schemas.PREDICTIONS)


def _require_fallback(paths: RunPaths) -> Manifest:
    manifest = read_manifest(paths.model(FALLBACK_MODEL))
    if manifest is None:
        raise DataError(
            describe(
                paths.model(FALLBACK_MODEL),
                found="no finished model",
                expected="the bias model, which answers where a model cannot",
                remedy="Run jobs/baseline.py with the same --config and --models '[bias]' first.",
            )
        )
    return manifest


def _check_same_train(path: str, model: Manifest, train: Manifest) -> None:
    """Refuse a model whose ids mean other users and movies than those of this train."""
    if model.inputs.get("train") != train.id:
        raise DataError(
            describe(
                path,
                found=f"a model of train {model.inputs.get('train')}",
                expected=f"one of the train that is there now, {train.id}",
                remedy=f"Run jobs/{model.stage}.py with the same --config again.",
            )
        )


def _check_rows(path: str, expected: int) -> None:
    """Compare the rows on disk with test's; left joins lose none, so this finds multiplied ones."""
    found = sum(storage.count_rows(file) for file in storage.parquet_files(path))
    if found != expected:
        raise DataError(
            describe(
                path,
                found=f"{found:,} predictions",
                expected=f"{expected:,}, one for each row of test",
                remedy="Run jobs/baseline.py and jobs/score.py with --force; if it stays, report "
                "it: recspark must not lose rows.",
            )
        )
