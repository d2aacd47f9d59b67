"""Makes the blend of lists, the model that adds the z-scores of its members; for the blend job."""

from __future__ import annotations

import logging
import posixpath
from collections.abc import Sequence
from typing import Any

import numpy as np
from pyspark.sql import SparkSession

from recspark.blend.list_weights import ValidLists, choose_weights, has_seen_valid
from recspark.config import Config
from recspark.contract.catalog import MODELS, TRAIN, VALID
from recspark.contract.paths import LIST_BLEND, MODEL_CARD, RANKS_ONLY, RunPaths
from recspark.datasets.lineage import require_current
from recspark.datasets.manifest import Manifest, require_manifest
from recspark.datasets.movie_sums import count_movie_ratings
from recspark.datasets.prepared import PreparedFacts
from recspark.datasets.step import Step
from recspark.datasets.train_buckets import locate_train
from recspark.files import json_files
from recspark.saved.arrays import save_movies
from recspark.scoring.lineage import saved_model

logger = logging.getLogger(__name__)


def run(config: Config, spark: SparkSession) -> None:
    """Write `models/list_blend`: its members with their weights, and the movies of train.

    Weights are those of the settings. Without any they are equal, unless no member has seen valid
    and others are clearly better there, see `recspark.blend.list_weights`.

    Raises:
        DataError: A member is not fitted, or is of another train.
    """
    paths = RunPaths(config.root)
    train = require_manifest(paths.train, TRAIN)
    valid = require_manifest(paths.valid, VALID)
    fitted = {name: _require_member(paths, name, train) for name in config.list_blend.members}
    output = paths.model(LIST_BLEND)
    inputs = {"train": train.id, "valid": valid.id}
    inputs |= {f"models/{name}": model.id for name, model in fitted.items()}
    reads = [paths.train, *map(paths.model, fitted)]
    settings = {
        "members": list(fitted),
        "weights": list(config.list_blend.weights),
        "relevant_rating": config.evaluate.relevant_rating,
    }
    step = Step("blend", settings, inputs, (output,), config.force, paths.root, reads)
    if step.is_done():
        return
    with step:
        facts = PreparedFacts.of(train)
        counts = count_movie_ratings(spark, [locate_train(paths.train, train)])
        lists = ValidLists(
            members=tuple(saved_model(paths, name, one, train) for name, one in fitted.items()),
            movies=np.flatnonzero(counts),
            valid=paths.valid,
            num_users=facts.num_users,
            relevant=facts.find_relevant(config.evaluate.relevant_rating),
        )
        weights, about = _find_weights(config, spark, lists, valid)
        members = [
            {"model": name, "weight": weight, "id": one.id}
            for weight, (name, one) in zip(weights, fitted.items(), strict=True)
        ]
        card = {"algorithm": LIST_BLEND, RANKS_ONLY: True, "num_users": facts.num_users, **about}
        card["members"] = [one for one in members if one["weight"]]
        card["dropped"] = [one["model"] for one in members if not one["weight"]]
        folder = step.staging(output)
        save_movies(folder, counts[:, None])
        json_files.write_json(posixpath.join(folder, MODEL_CARD), card)
        step.publish(output, None, counts=card)


def _find_weights(
    config: Config, spark: SparkSession, lists: ValidLists, valid: Manifest
) -> tuple[Sequence[float], dict[str, Any]]:
    """Return a weight for each member, and what the card says of them; the log says it too."""
    names = config.list_blend.members
    equal = f"blend: lists of {', '.join(names)}, z-scores with equal weights"
    if config.list_blend.weights:
        weights: Sequence[float] = config.list_blend.weights
        logger.info("blend: lists with the weights of the settings: %s", _say(names, weights))
        return weights, {"weights_from": "settings"}
    fitted = zip(names, lists.members, strict=True)
    seen = [name for name, member in fitted if has_seen_valid(member)]
    if seen or not valid.num_rows:
        why = f"{', '.join(seen)} learned from valid" if seen else "there is no valid"
        logger.info("%s: %s, which could say which are better", equal, why)
        return [1.0] * len(names), {"weights_from": "equal"}
    buckets = sorted(bucket for bucket, rows in valid.bucket_rows.items() if rows)
    found = choose_weights(spark, lists, buckets)
    if found.gain:
        logger.info(
            "blend: lists with weights by valid: %s; NDCG@10 %.4f there, %.4f ± %.4f above equal",
            *(_say(names, found.weights), found.ndcg, found.gain, found.half_width),
        )
    else:
        logger.info("%s: on valid no others are clearly better", equal)
    about: dict[str, Any] = {"weights_from": "valid", "valid_users": found.num_users}
    if found.num_users > 1:
        about |= {"valid_ndcg": found.ndcg, "valid_gain": found.gain}
    return found.weights, about


def _say(names: Sequence[str], weights: Sequence[float]) -> str:
    return ", ".join(f"{name} {weight:g}" for name, weight in zip(names, weights, strict=True))


def _require_member(paths: RunPaths, name: str, train: Manifest) -> Manifest:
    model = require_manifest(paths.model(name), MODELS)
    require_current(paths.model(name), model, train=train)
    return model
