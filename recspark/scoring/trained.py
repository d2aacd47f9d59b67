"""Predictions of a model that PyTorch trained, by Spark tasks that map its weights.

Each Python worker builds the module once and keeps the users of the buckets it met last; test is
stored by bucket, so a task reads little more than its own bucket's users.
"""

from __future__ import annotations

import functools
import posixpath
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.types import FloatType, StructField, StructType

from recspark import columns as c
from recspark import storage
from recspark.paths import MODEL_CARD

if TYPE_CHECKING:
    from torch import Tensor

    from recspark.models.rating_model import RatingModel

# Buckets whose users a worker keeps mapped.
KEPT_BUCKETS = 4


def predict(test: DataFrame, model_dir: str) -> DataFrame:
    """Return all rows and columns of test, plus `prediction float`, not clipped.

    The prediction is null where user or movie has no rating in train.

    Args:
        test: Rows with `user_index` and `movie_index`.
        model_dir: A published model that jobs/train.py wrote.
    """
    others = [item for item in test.schema.fields if item.name != c.PREDICTION]
    schema = StructType([*others, StructField(c.PREDICTION, FloatType())])
    names = [item.name for item in others]
    # Python workers outlive a stage: the attempt tells a model apart from its predecessor here.
    attempt = storage.read_json(posixpath.join(model_dir, MODEL_CARD))["attempt"]

    def score(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            prediction = predict_pairs(
                model_dir,
                attempt,
                batch.column(c.USER_INDEX).to_numpy(zero_copy_only=False),
                batch.column(c.MOVIE_INDEX).to_numpy(zero_copy_only=False),
            )
            yield pa.RecordBatch.from_arrays(
                [*(batch.column(name) for name in names), prediction], [*names, c.PREDICTION]
            )

    return test.mapInArrow(score, schema)


def predict_pairs(
    model_dir: str,
    attempt: str,
    user_index: npt.NDArray[np.int32],
    movie_index: npt.NDArray[np.int32],
) -> pa.Array:
    """Return a float32 array, one value a pair, null where user or movie is unseen in train.

    Args:
        model_dir: A published model.
        attempt: The training run that made it, from its card.
        user_index: [pairs]
        movie_index: [pairs]
    """
    import torch

    card, model, seen_movies = _open_model(model_dir, attempt)
    prediction = np.full(len(user_index), np.nan, np.float32)
    is_known = np.zeros(len(user_index), bool)
    bucket_of = user_index % card["num_buckets"]
    for bucket in np.unique(bucket_of):
        rows, seen_users = _open_users(model_dir, attempt, int(bucket))
        pairs = np.flatnonzero(bucket_of == bucket)
        users = torch.from_numpy(user_index[pairs] // card["num_buckets"]).long()
        movies = torch.from_numpy(movie_index[pairs]).long()
        with torch.no_grad():
            prediction[pairs] = model(rows[users], movies).numpy()
        is_known[pairs] = (seen_users[users] & seen_movies[movies]).numpy()
    return pa.array(prediction, mask=~is_known)


@functools.lru_cache(maxsize=1)
def _open_model(model_dir: str, attempt: str) -> tuple[dict[str, Any], RatingModel, Tensor]:
    """Return (card, module, seen movies); kept for the life of a Python worker."""
    import torch

    from recspark.training.weights import load_module

    torch.set_num_threads(1)  # Spark runs a task on every core already
    card = storage.read_json(posixpath.join(model_dir, MODEL_CARD))
    return card, *load_module(model_dir, card)


@functools.lru_cache(maxsize=KEPT_BUCKETS)
def _open_users(model_dir: str, attempt: str, bucket: int) -> tuple[Tensor, Tensor]:
    from recspark.training.weights import load_users

    return load_users(model_dir, bucket)
