"""The baseline job: one of the models that Spark fits by itself, from train alone."""

from __future__ import annotations

import posixpath
from dataclasses import asdict
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from recspark.baselines import als, bias, cosine_user, rankers, residual_neighbors
from recspark.config import Config
from recspark.contract import schemas
from recspark.contract.catalog import MODELS, TRAIN, VALID
from recspark.contract.paths import MODEL_CARD, SPARK_MODEL, USES_TIMES, RunPaths
from recspark.datasets.lineage import require_current
from recspark.datasets.manifest import Manifest, read_manifest, require_manifest
from recspark.datasets.prepared import PreparedFacts
from recspark.datasets.step import Step
from recspark.datasets.train_buckets import locate_train
from recspark.errors import ConfigError, DataError, describe
from recspark.files import json_files, parquet, storage
from recspark.saved.residuals import save_neighbors
from recspark.scoring.lineage import saved_model
from recspark.scoring.load import open_model


def run(config: Config, model_name: str, spark: SparkSession) -> None:
    """Fit one baseline and write `models/<model_name>`.

    Args:
        config: The model's resolved config; `baseline.algorithm` says what is fitted.
        model_name: Name of the preset.
        spark: The session to fit in.

    Raises:
        ConfigError: `baseline.algorithm` is not set.
        DataError: train is missing, or the base model of residual neighbours.
    """
    algorithm = config.baseline.algorithm
    if algorithm is None:
        raise ConfigError(
            describe(
                f"baseline of {model_name}",
                found="no baseline.algorithm",
                expected="the name of an algorithm",
                remedy=f"Set it in recspark/presets/{model_name}.yaml, or run jobs/train.py.",
            )
        )
    paths = RunPaths(config.root)
    manifest = require_manifest(paths.train, TRAIN)
    output, base = paths.model(model_name), config.baseline.base
    inputs = {"train": manifest.id}
    if base is not None:
        inputs[f"models/{base}"] = _require_base(paths, model_name, base, manifest).id
    if config.ranks_only and config.baseline.refit:
        inputs["valid"] = require_manifest(paths.valid, VALID).id
    step = Step(
        stage="baseline",
        settings=_settings(config, algorithm),
        inputs=inputs,
        outputs=(output,),
        force=config.force,
        root=paths.root,
        reads=[paths.train, paths.valid, *([paths.model(base)] if base else [])],
    )
    if step.is_done():
        return
    with step:
        card = fit(config, manifest, step.staging(output), spark)
        step.publish(output, None, counts=card)


def fit(config: Config, manifest: Manifest, folder: str, spark: SparkSession) -> dict[str, Any]:
    """Fit one baseline into a folder, and return its card.

    Args:
        config: The model's resolved config; `baseline.algorithm` is set.
        manifest: Manifest of train.
        folder: Where the model goes.
        spark: The session to fit in.
    """
    if config.ranks_only:
        card = rankers.fit(config, folder, spark)
    else:
        card = _fit_ratings(config, manifest, folder, spark)
    json_files.write_json(posixpath.join(folder, MODEL_CARD), card)
    return card


def _fit_ratings(
    config: Config, manifest: Manifest, folder: str, spark: SparkSession
) -> dict[str, Any]:
    algorithms = {
        "bias": _fit_bias,
        "cosine_user": _fit_cosine_user,
        "als": _fit_als,
        "residual_neighbors": _fit_residual_neighbors,
    }
    train = parquet.read_dataset(spark, RunPaths(config.root).train, schemas.TRAIN)
    return algorithms[str(config.baseline.algorithm)](config, train, manifest, folder)


def _settings(config: Config, algorithm: str) -> dict[str, Any]:
    if config.ranks_only:
        return {"algorithm": algorithm, **rankers.describe_result(config)}
    section = asdict(getattr(config.baseline, algorithm))
    # How many users a task handles at a time affects its memory, not the result.
    section.pop("block_users", None)
    if algorithm == "als":
        section["bias"] = asdict(config.baseline.bias)  # it is fitted on what the effects leave
    return {"algorithm": algorithm, **section, "seed": config.seed}


def _fit_bias(config: Config, train: DataFrame, manifest: Manifest, staging: str) -> dict[str, Any]:
    model = _fit_effects(config, train, manifest)
    bias.save(model, staging, **_sizes(manifest))
    return {"algorithm": "bias", "mean": model.mean, **asdict(config.baseline.bias)}


def _fit_effects(config: Config, train: DataFrame, manifest: Manifest) -> bias.BiasModel:
    settings = config.baseline.bias
    return bias.fit(
        train,
        mean=PreparedFacts.of(manifest).rating_mean,
        reg_user=settings.reg_user,
        reg_movie=settings.reg_movie,
    )


def _fit_cosine_user(
    config: Config, train: DataFrame, manifest: Manifest, staging: str
) -> dict[str, Any]:
    settings = config.baseline.cosine_user
    num_rated_movies = cosine_user.count_rated_movies(train)
    neighbors = cosine_user.fit(
        train.sparkSession,
        locate_train(RunPaths(config.root).train, manifest),
        num_rated_movies=num_rated_movies,
        num_neighbors=settings.num_neighbors,
        block_users=settings.block_users,
    )
    schema = schemas.NEIGHBORS
    parquet.write_dataset(neighbors, posixpath.join(staging, schema.name), schema)
    return {
        "algorithm": "cosine_user",
        "num_neighbors": settings.num_neighbors,
        "num_rated_movies": num_rated_movies,
    }


def _fit_als(config: Config, train: DataFrame, manifest: Manifest, staging: str) -> dict[str, Any]:
    settings = asdict(config.baseline.als)
    num_blocks = PreparedFacts.of(manifest).num_buckets
    checkpoints = posixpath.join(staging, "checkpoints")
    train.sparkSession.sparkContext.setCheckpointDir(checkpoints)
    effects = bias.write_effects(_fit_effects(config, train, manifest), staging)
    residuals = bias.subtract(train, effects)
    support = als.Support(train, settings.pop("shrinkage"))
    model = als.fit(residuals, **settings, num_blocks=num_blocks, seed=config.seed)
    saved = posixpath.join(staging, SPARK_MODEL)
    model.write().save(saved)
    storage.remove(checkpoints)
    als.export(staging, saved, train.sparkSession, effects, support, **_sizes(manifest))
    return {
        "algorithm": "als",
        "mean": effects.mean,
        "effect_columns": als.EFFECT_COLUMNS,
        **asdict(config.baseline.als),
        "bias": asdict(config.baseline.bias),
    }


def _require_base(paths: RunPaths, model_name: str, base: str, train: Manifest) -> Manifest:
    """Return the manifest of the model that another corrects, of this same train."""
    found = read_manifest(paths.model(base))
    if found is None:
        raise DataError(
            describe(
                paths.model(base),
                found="no finished model",
                expected=f"the model that {model_name} corrects",
                remedy=f"Fit {base} first, or name another baseline.residual_neighbors.base.",
            )
        )
    require_current(paths.model(base), found, train=train)
    return found


def _fit_residual_neighbors(
    config: Config, train: DataFrame, manifest: Manifest, staging: str
) -> dict[str, Any]:
    settings, paths = config.baseline.residual_neighbors, RunPaths(config.root)
    base = require_manifest(paths.model(settings.base), MODELS)
    model = saved_model(paths, settings.base, base, manifest)
    neighbors = residual_neighbors.fit(
        train.sparkSession,
        locate_train(paths.train, manifest),
        lambda *pairs: open_model(model).predict(*pairs),
        residual_neighbors.Plan(
            folder=staging,
            **_sizes(manifest),
            similarity=settings.similarity,
            num_neighbors=settings.num_neighbors,
            max_user_ratings=settings.max_user_ratings,
            seed=config.seed,
        ),
    )
    save_neighbors(staging, neighbors)
    uses_times = bool(base.counts.get(USES_TIMES))
    return {"algorithm": "residual_neighbors", **asdict(settings), USES_TIMES: uses_times}


def _sizes(manifest: Manifest) -> dict[str, int]:
    facts = PreparedFacts.of(manifest)
    return {
        "num_users": facts.num_users,
        "num_movies": facts.num_movies,
        "num_buckets": facts.num_buckets,
    }
