"""The blend job: weights of the members from valid, and the blend's predictions on test."""

from __future__ import annotations

import logging
import posixpath
from collections.abc import Sequence
from typing import Any

from pyspark.sql import SparkSession

from recspark.blend.card import make_card
from recspark.blend.combine import combine
from recspark.blend.fit import attach_predictions, sum_valid
from recspark.config import Config
from recspark.contract import schemas
from recspark.contract.catalog import MODELS, PREDICTIONS, TEST, TRAIN, VALID
from recspark.contract.paths import BLEND, MODEL_CARD, RANKS_ONLY, USES_TIMES, RunPaths
from recspark.datasets.lineage import require_current
from recspark.datasets.manifest import Manifest, require_manifest
from recspark.datasets.prepared import PreparedFacts, is_left_out
from recspark.datasets.step import Step
from recspark.errors import ConfigError, DataError, describe
from recspark.files import json_files, parquet
from recspark.files.json_files import require_json
from recspark.scoring.fallback import clip_predictions
from recspark.scoring.lineage import FALLBACK_MODEL, saved_model
from recspark.scoring.predict import Scoring

logger = logging.getLogger(__name__)


def run(config: Config, spark: SparkSession) -> None:
    """Write `models/blend` and `predictions/blend`, the latter only if there are test ratings.

    Raises:
        ConfigError: `blend.members` is empty, or names a model that ranks.
        DataError: A member is not fitted or scored, or is of another train or test; or valid is
            empty.
    """
    require_members(config)
    paths = RunPaths(config.root)
    train, valid, test = (
        require_manifest(path, kind)
        for path, kind in ((paths.train, TRAIN), (paths.valid, VALID), (paths.test, TEST))
    )
    if valid.num_rows == 0:
        raise DataError(
            describe(
                paths.valid,
                found="no ratings",
                expected="at least one to learn the members' weights from",
                remedy="Run jobs/prepare.py with prepare.valid_fraction above 0.",
            )
        )
    fitted = {name: _require_model(paths, name, train) for name in config.blend.members}
    refuse_rankers([name for name, model in fitted.items() if model.counts.get(RANKS_ONLY)])
    _fit(config, spark, train, valid, fitted)
    if not is_left_out("blend: predictions", test):
        _score(config, spark, train, test, fitted)


def require_members(config: Config) -> None:
    """Raise a ConfigError if `blend.members` is empty."""
    if not config.blend.members:
        raise ConfigError(
            describe(
                "blend.members",
                found="no members",
                expected="two or more models",
                remedy="Name them: --blend.members bias,als",
            )
        )


def refuse_rankers(names: Sequence[str]) -> None:
    """Raise a ConfigError if there are members that rank and predict no ratings."""
    if names:
        raise ConfigError(
            describe(
                "blend.members",
                found=f"{', '.join(names)}, which rank and predict no ratings",
                expected="models that predict ratings",
                remedy="Blend lists instead: name them in list_blend.members.",
            )
        )


def _require_model(paths: RunPaths, name: str, train: Manifest) -> Manifest:
    model = require_manifest(paths.model(name), MODELS)
    require_current(paths.model(name), model, train=train)
    return model


def _fit(
    config: Config,
    spark: SparkSession,
    train: Manifest,
    valid: Manifest,
    fitted: dict[str, Manifest],
) -> None:
    paths = RunPaths(config.root)
    fallback = _require_model(paths, FALLBACK_MODEL, train)
    output = paths.model(BLEND)
    inputs = {
        "train": train.id,
        "valid": valid.id,
        "fallback": fallback.id,
        **{f"models/{name}": model.id for name, model in fitted.items()},
    }
    settings = {"members": list(fitted), "reg": config.blend.reg, "seed": config.seed}
    models = [paths.model(name) for name in (*fitted, FALLBACK_MODEL)]
    reads = [paths.train, paths.valid, *models]
    step = Step("blend", settings, inputs, (output,), config.force, paths.root, reads)
    if step.is_done():
        return
    with step:
        facts = PreparedFacts.of(train)
        mean = facts.rating_mean
        bias = saved_model(paths, FALLBACK_MODEL, fallback, train)
        low, high = facts.rating_min, facts.rating_max
        rows = attach_predictions(
            spark,
            paths.valid,
            sorted(bucket for bucket, rows in valid.bucket_rows.items() if rows),
            [
                Scoring(saved_model(paths, name, model, train), bias, low, high)
                for name, model in fitted.items()
            ],
        )
        folds = sum_valid(rows, len(fitted), mean=mean, seed=config.seed)
        card = make_card(list(fitted), folds, mean=mean, reg=config.blend.reg)
        card |= {"scale": [low, high], "fallback": fallback.id}
        for member in card["members"]:
            # The same weights for other members are another blend: the ids tell it from this one.
            member["id"] = fitted[member["model"]].id
        kept = [fitted[member["model"]] for member in card["members"]]
        card[USES_TIMES] = any(one.counts.get(USES_TIMES) for one in kept)
        _check_rows(paths.valid, card["valid_rows"], valid.num_rows)
        json_files.write_json(posixpath.join(step.staging(output), MODEL_CARD), card)
        step.publish(output, None, counts=card)
    _log(card)


def _log(card: dict[str, Any]) -> None:
    rmse, reg = card["valid_rmse"], card["reg"]
    logger.info("blend: RMSE %.4f on valid, cross-validated, with reg %g", rmse, reg)
    for member in card["members"]:
        logger.info(
            "blend: %s has weight %+.3f, RMSE %.4f alone; without it the blend is %+.4f worse",
            *(member[name] for name in ("model", "weight", "valid_rmse", "gain")),
        )
    for member in card["dropped"]:
        logger.info(
            "blend: %s is dropped, RMSE %.4f alone: without it the blend's RMSE changed by %+.5f",
            *(member[name] for name in ("model", "valid_rmse", "gain")),
        )


def _score(
    config: Config,
    spark: SparkSession,
    train: Manifest,
    test: Manifest,
    fitted: dict[str, Manifest],
) -> None:
    paths = RunPaths(config.root)
    blend = require_manifest(paths.model(BLEND), MODELS.made_by("blend"))
    kept = [member["model"] for member in blend.counts["members"]]
    scored = {name: _require_scored(paths, name, fitted[name], test) for name in kept}
    output = paths.predictions(BLEND)
    inputs = {"test": test.id, "model": blend.id}
    inputs |= {f"predictions/{name}": one.id for name, one in scored.items()}
    reads = [paths.model(BLEND), *(paths.predictions(name) for name in scored)]
    settings = {"model": BLEND, "columns": list(schemas.PREDICTIONS.columns)}
    step = Step("blend", settings, inputs, (output,), config.force, paths.root, reads)
    if step.is_done():
        return
    with step:
        card = require_json(
            posixpath.join(paths.model(BLEND), MODEL_CARD),
            expected="the weights of a blend",
            remedy="Run jobs/blend.py with --force.",
        )
        members = {name: paths.predictions(name) for name in scored}
        buckets = sorted(bucket for bucket, rows in test.bucket_rows.items() if rows)
        facts = PreparedFacts.of(train)
        clipped = clip_predictions(
            combine(spark, members, card, buckets),
            lowest=facts.rating_min,
            highest=facts.rating_max,
        )
        parquet.write_dataset(clipped, step.staging(output), schemas.PREDICTIONS)
        written = parquet.parquet_files(step.staging(output))
        _check_rows(output, sum(map(parquet.count_rows, written)), test.num_rows)
        uses_times = any(one.counts.get(USES_TIMES) for one in scored.values())
        step.publish(output, schemas.PREDICTIONS, {USES_TIMES: uses_times})


def _require_scored(paths: RunPaths, name: str, model: Manifest, test: Manifest) -> Manifest:
    scored = require_manifest(paths.predictions(name), PREDICTIONS.made_by("score"))
    require_current(paths.predictions(name), scored, test=test, model=model)
    return scored


def _check_rows(path: str, found: int, expected: int) -> None:
    if found != expected:
        raise DataError(
            describe(
                path,
                found=f"{found:,} blended rows",
                expected=f"{expected:,}",
                remedy="Run jobs/score.py and jobs/blend.py with --force. If that fails, report "
                "it: recspark must not lose rows.",
            )
        )
