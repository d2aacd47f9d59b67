"""Which code answers for which saved model."""

from __future__ import annotations

import posixpath
from typing import Any

from pyspark.ml.recommendation import ALSModel
from pyspark.sql import DataFrame

from recspark import schemas, storage
from recspark.baselines import als, bias, cosine_user
from recspark.baselines.user_block import TrainBuckets
from recspark.errors import DataError, describe
from recspark.paths import MODEL_CARD, SPARK_MODEL
from recspark.scoring import trained


def predict(test: DataFrame, model_dir: str, train: TrainBuckets) -> DataFrame:
    """Return test plus a nullable `prediction`: null where user or movie is unseen in train.

    Args:
        test: Bucketed rows with `user_index`, `movie_index`; all rows and columns are kept.
        model_dir: A published model.
        train: The train that the model was fitted on.

    Raises:
        DataError: The model's card names no model known here.
    """
    card = read_card(model_dir)
    if "architecture" in card:
        return trained.predict(test, model_dir)
    algorithm = card.get("algorithm")
    if algorithm == "bias":
        return bias.predict(test, bias.load(test.sparkSession, model_dir))
    if algorithm == "als":
        return als.predict(test, ALSModel.load(posixpath.join(model_dir, SPARK_MODEL)))
    if algorithm == "cosine_user":
        neighbors = posixpath.join(model_dir, schemas.NEIGHBORS.name)
        return cosine_user.predict(test, neighbors, train)
    raise DataError(
        describe(
            posixpath.join(model_dir, MODEL_CARD),
            found=f"keys {sorted(card)} with algorithm {algorithm}",
            expected="an architecture, or algorithm bias, cosine_user or als",
            remedy="Fit the model again with jobs/baseline.py or jobs/train.py.",
        )
    )


def read_card(model_dir: str) -> dict[str, Any]:
    """Return the model's card; a DataError says how to make one where it is missing."""
    path = posixpath.join(model_dir, MODEL_CARD)
    if not storage.exists(path):
        raise DataError(
            describe(
                path,
                found="no such file",
                expected="the card of a saved model",
                remedy="Fit the model again with jobs/baseline.py or jobs/train.py.",
            )
        )
    card: dict[str, Any] = storage.read_json(path)
    return card
