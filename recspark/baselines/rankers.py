"""Fits the models that rank movies and predict no ratings, for the baseline job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from pyspark.sql import SparkSession

from recspark.baselines import ease, item_knn, popularity, sparse_ease
from recspark.baselines.gram import GramPlan
from recspark.config import Config, EaseConfig
from recspark.contract.catalog import TRAIN, VALID
from recspark.contract.paths import RANKS_ONLY, SIGNAL_WEIGHTS, RunPaths
from recspark.datasets.manifest import require_manifest
from recspark.datasets.prepared import PreparedFacts
from recspark.datasets.signal import Signal
from recspark.datasets.train_buckets import TrainBuckets, locate_train, require_whole
from recspark.saved.arrays import save_movies
from recspark.saved.items import save_dense, save_sparse


def fit(config: Config, folder: str, spark: SparkSession) -> dict[str, Any]:
    """Fit a model for which `ranks_only` into a folder, and return its card.

    Args:
        config: The model's resolved config.
        folder: Where the model goes.
        spark: The session to fit in.

    Raises:
        DataError: A bucket lost rows, or as the algorithm.
    """
    ratings, facts = locate_known(config)
    for part in ratings:
        require_whole(part)
    signal = Signal.of(config, facts)
    if config.baseline.algorithm == "popularity":
        half_life = config.baseline.popularity.half_life_days
        sums = popularity.fit(spark, ratings, signal, half_life)
        save_movies(folder, sums[:, None])
    else:
        _fit_items(config, [part.path for part in ratings], facts, signal, folder, spark)
    return {
        "algorithm": config.baseline.algorithm,
        RANKS_ONLY: True,
        "num_users": facts.num_users,
        SIGNAL_WEIGHTS: signal.to_card(),
        **describe_result(config),
    }


def _fit_items(
    config: Config,
    paths: Sequence[str],
    facts: PreparedFacts,
    signal: Signal,
    folder: str,
    spark: SparkSession,
) -> None:
    is_ease = config.baseline.algorithm == "ease"
    settings = config.baseline.ease if is_ease else config.baseline.item_knn
    plan = GramPlan(
        paths=tuple(paths),
        num_users=facts.num_users,
        num_movies=facts.num_movies,
        num_buckets=facts.num_buckets,
        signal=signal,
        user_weight=settings.user_weight,
        is_whole=not is_ease,
    )
    if not isinstance(settings, EaseConfig):
        save_sparse(folder, item_knn.fit(spark, plan, settings))
    elif settings.num_neighbors:
        count = settings.num_neighbors
        save_sparse(folder, sparse_ease.fit(spark, plan, settings, count, folder))
    else:
        weights = ease.fit(spark, plan, reg=settings.reg, dropout=settings.dropout, folder=folder)
        save_dense(folder, weights)


def locate_known(config: Config) -> tuple[list[TrainBuckets], PreparedFacts]:
    """Return the ratings that a model which ranks learns from, and the facts of train."""
    paths = RunPaths(config.root)
    train = require_manifest(paths.train, TRAIN)
    found = [locate_train(paths.train, train)]
    if config.baseline.refit:
        found.append(locate_train(paths.valid, require_manifest(paths.valid, VALID)))
    return found, PreparedFacts.of(train)


def describe_result(config: Config) -> dict[str, Any]:
    """Return the settings that decide the result."""
    own = asdict(getattr(config.baseline, str(config.baseline.algorithm)))
    relevant = config.evaluate.relevant_rating if config.signal.kind == "likes" else None
    return {
        **own,
        "refit": config.baseline.refit,
        "signal": {**asdict(config.signal), "relevant_rating": relevant},
    }
