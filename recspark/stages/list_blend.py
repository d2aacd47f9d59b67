"""Makes the blend of lists, the model that adds the z-scores of its members; for the blend job."""

from __future__ import annotations

import logging
import posixpath

from pyspark.sql import SparkSession

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

logger = logging.getLogger(__name__)


def run(config: Config, spark: SparkSession) -> None:
    """Write `models/list_blend`: its members with equal weights, and the movies of train.

    Equal weights need no figure on valid, which members fitted on train and valid have seen.

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
    settings = {"members": list(fitted)}
    step = Step("blend", settings, inputs, (output,), config.force, paths.root, reads)
    if step.is_done():
        return
    with step:
        members = [{"model": name, "weight": 1.0, "id": one.id} for name, one in fitted.items()]
        counts = count_movie_ratings(spark, [locate_train(paths.train, train)])
        card = {"algorithm": LIST_BLEND, RANKS_ONLY: True, "members": members}
        card |= {"num_users": PreparedFacts.of(train).num_users}
        folder = step.staging(output)
        save_movies(folder, counts[:, None])
        json_files.write_json(posixpath.join(folder, MODEL_CARD), card)
        step.publish(output, None, counts=card)
    logger.info("blend: lists of %s, z-scores with equal weights", ", ".join(fitted))


def _require_member(paths: RunPaths, name: str, train: Manifest) -> Manifest:
    model = require_manifest(paths.model(name), MODELS)
    require_current(paths.model(name), model, train=train)
    return model
