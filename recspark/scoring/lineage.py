"""Which models may be asked together: whole, of this train, and of these ids."""

from __future__ import annotations

from recspark.config import Config
from recspark.contract.paths import RunPaths
from recspark.datasets.manifest import Manifest, read_manifest, require_manifest
from recspark.datasets.train_buckets import locate_train
from recspark.errors import DataError, describe
from recspark.scoring.load import SavedModel
from recspark.scoring.predict import Scoring

FALLBACK_MODEL = "bias"


def require_scoring(config: Config, model_name: str) -> tuple[Scoring, dict[str, str]]:
    """Return a model with its fallback and rating scale, and the manifest ids of both models.

    Raises:
        DataError: As `require_model`, for the model or the fallback.
    """
    paths = RunPaths(config.root)
    train = require_manifest(paths.train, "prepare")
    model, model_id = require_model(config, model_name)
    found = read_manifest(paths.model(FALLBACK_MODEL))
    if found is None:
        raise DataError(
            describe(
                paths.model(FALLBACK_MODEL),
                found="no finished model",
                expected="the bias model, which answers where a model cannot",
                remedy="Run jobs/baseline.py with the same --config and --models '[bias]' first.",
            )
        )
    fallback = saved_model(paths, FALLBACK_MODEL, found, train)
    scoring = Scoring(
        model,
        fallback,
        lowest=train.counts["rating_min"],
        highest=train.counts["rating_max"],
    )
    return scoring, {"model": model_id, "fallback": found.id}


def require_model(config: Config, model_name: str) -> tuple[SavedModel, str]:
    """Return a finished model of the train that is there now, and its manifest id.

    Raises:
        DataError: The model is missing or half written, or its indexes mean other users and movies
            than those of this train.
    """
    paths = RunPaths(config.root)
    train = require_manifest(paths.train, "prepare")
    job = "baseline" if config.baseline.algorithm else "train"
    manifest = require_manifest(paths.model(model_name), job)
    return saved_model(paths, model_name, manifest, train), manifest.id


def saved_model(paths: RunPaths, name: str, manifest: Manifest, train: Manifest) -> SavedModel:
    """Return where a finished model lies.

    Raises:
        DataError: It is of another train: its indexes mean other users and movies.
    """
    if manifest.inputs.get("train") != train.id:
        raise DataError(
            describe(
                paths.model(name),
                found=f"a model of train {manifest.inputs.get('train')}",
                expected=f"one of the train that is there now, {train.id}",
                remedy=f"Run jobs/{manifest.stage}.py with the same --config again.",
            )
        )
    buckets = locate_train(paths.train, train)
    return SavedModel(paths.model(name), manifest.id, train.counts["num_buckets"], buckets)
