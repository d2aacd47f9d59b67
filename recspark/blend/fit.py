"""Predictions of the members on valid, and the sums over them that a blend is fitted from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from recspark.arrays.hashing import hash_keys
from recspark.arrays.ratings import NO_TIME
from recspark.blend.ridge import FloatArray, sum_products
from recspark.contract import columns as c
from recspark.contract.paths import bucket_folder
from recspark.files import parquet
from recspark.scoring.buckets import BLOCK_ROWS
from recspark.scoring.load import correct_valid, open_valid
from recspark.scoring.predict import Scoring, score_pairs

NUM_FOLDS = 5

_SUMS = "_sums"


def member_column(position: int) -> str:
    """Return the name of the column that holds a member's prediction."""
    return f"_member_{position}"


def attach_predictions(
    spark: SparkSession, valid: str, buckets: list[int], members: Sequence[Scoring]
) -> DataFrame:
    """Return each row of valid once with every member's prediction, computed as in scoring.

    A refitted member has seen valid. Its predictions are then those of its first fit.

    Columns: `user_index`, `rating` and `member_column` of each member. One task a bucket; memory:
    one block of its rows.

    Args:
        spark: The session whose tasks score.
        valid: The data set.
        buckets: Buckets that have rows.
        members: In the blend's order.
    """
    names = [member_column(position) for position in range(len(members))]
    read = [c.USER_INDEX, c.MOVIE_INDEX, c.RATING, c.RATED_AT]

    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for position in batch.column(0).to_pylist():
                bucket, start = buckets[position], 0
                first = [open_valid(member.model, bucket) for member in members]
                folder = bucket_folder(valid, bucket)
                for rows in parquet.read_batches(folder, read, BLOCK_ROWS):
                    span = slice(start, start + rows.num_rows)
                    start = span.stop
                    users, movies = (rows.column(name).to_numpy() for name in read[:2])
                    times = rows.column(c.RATED_AT).fill_null(NO_TIME).to_numpy()
                    answers = [
                        None
                        if known is None
                        else correct_valid(member.model, bucket, users, movies, known[span])
                        for member, known in zip(members, first, strict=True)
                    ]
                    found = [
                        score_pairs(member, users, movies, times, answers=known).prediction
                        for member, known in zip(members, answers, strict=True)
                    ]
                    yield pa.RecordBatch.from_arrays(
                        [rows.column(c.USER_INDEX), rows.column(c.RATING), *found],
                        [c.USER_INDEX, c.RATING, *names],
                    )

    kinds = ", ".join(f"{name} FLOAT" for name in (c.RATING, *names))
    one_each = spark.range(0, len(buckets), 1, numPartitions=len(buckets))
    return one_each.mapInArrow(run, f"{c.USER_INDEX} INT, {kinds}")


def sum_valid(rows: DataFrame, num_members: int, *, mean: float, seed: int) -> FloatArray:
    """Return the sums of products over valid, by fold of users: [folds, M + 2, M + 2].

    All rows of a user are in one fold, whose number is a hash of the user and the seed.

    Args:
        rows: What `attach_predictions` returned.
        num_members: M.
        mean: Subtracted from predictions and ratings, so that products of large sums do not cancel.
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
