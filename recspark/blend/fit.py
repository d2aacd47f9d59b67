"""The members' predictions on valid to the sums that a blend is fitted from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recspark import columns as c
from recspark.baselines.bias import BiasModel
from recspark.baselines.user_block import TrainBuckets
from recspark.blend.ridge import FloatArray, sum_products
from recspark.prepare.hashing import hash_keys
from recspark.scoring.fallback import clip_predictions, fill_predictions
from recspark.scoring.predict import predict

NUM_FOLDS = 5

_SUMS = "_sums"


def member_column(position: int) -> str:
    """Return the name of the column that holds a member's prediction."""
    return f"_member_{position}"


def attach_predictions(
    valid: DataFrame,
    members: Mapping[str, str],
    train: TrainBuckets,
    fallback: BiasModel,
    *,
    lowest: float,
    highest: float,
) -> DataFrame:
    """Return each row of valid once with every member's prediction, as scoring would make it.

    Args:
        valid: Bucketed rows with `user_index`, `movie_index`; all columns are kept.
        members: Model to its folder, in the blend's order.
        train: The train that they were fitted on.
        fallback: The bias model, which answers where a member cannot.
        lowest: Lower end of the rating scale.
        highest: Upper end.
    """
    rows = valid
    for position, folder in enumerate(members.values()):
        filled = fill_predictions(predict(rows, folder, train), fallback)
        clipped = clip_predictions(filled, lowest=lowest, highest=highest)
        others = [name for name in clipped.columns if name not in (c.PREDICTION, c.FALLBACK)]
        rows = clipped.select(*others, F.col(c.PREDICTION).alias(member_column(position)))
    return rows


def sum_valid(rows: DataFrame, num_members: int, *, mean: float, seed: int) -> FloatArray:
    """Return the sums of products over valid, by fold of users: [folds, M + 2, M + 2].

    A user's rows are all in one fold, as its number hashes the user with the seed.

    Args:
        rows: What `attach_predictions` returned.
        num_members: M.
        mean: Taken off predictions and ratings, so that products of large sums do not cancel.
        seed: The run's seed.
    """
    names = [member_column(position) for position in range(num_members)]
    width = num_members + 2

    def add(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        total = np.zeros((NUM_FOLDS, width, width))
        for batch in batches:
            users = batch.column(c.USER_INDEX).to_numpy()
            predictions = np.column_stack([batch.column(name).to_numpy() for name in names])
            ratings = batch.column(c.RATING).to_numpy().astype(np.float64) - mean
            folds = hash_keys(seed, "blend", users, np.zeros_like(users)) % np.uint64(NUM_FOLDS)
            centred = predictions.astype(np.float64) - mean
            total += sum_products(centred, ratings, folds, NUM_FOLDS)
        yield pa.RecordBatch.from_pydict({_SUMS: [total.ravel()]})

    chosen = rows.select(c.USER_INDEX, c.RATING, *names)
    parts = chosen.mapInArrow(add, f"{_SUMS} array<double>").collect()
    total = np.sum([row[_SUMS] for row in parts], axis=0)
    return total.reshape(NUM_FOLDS, width, width)
