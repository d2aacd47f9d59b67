"""Combines the predictions of several models on test, bucket by bucket, without a shuffle."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession

from recspark.contract import columns as c
from recspark.contract import schemas
from recspark.contract.paths import bucket_folder
from recspark.errors import DataError, describe
from recspark.files import parquet
from recspark.scoring.blended import weigh

_READ = (c.USER_INDEX, c.MOVIE_INDEX, c.RATING, c.RATED_AT, c.PREDICTION, c.FALLBACK)


def combine(
    spark: SparkSession, members: Mapping[str, str], card: Mapping[str, Any], buckets: list[int]
) -> DataFrame:
    """Return one row for each test rating with the blend's prediction, not clipped.

    `fallback` is null if at least one member answered by itself. Otherwise it is the members' own,
    and so is the prediction. Columns are those of `schemas.PREDICTIONS`. Memory of a task: one
    bucket of each member.

    Args:
        spark: The session whose tasks combine.
        members: Model to the path of its predictions, in the card's order.
        card: The blend's card.
        buckets: Buckets that have rows.

    Raises:
        DataError: The members have predictions for different pairs.
    """
    paths = dict(members)
    weights = np.array([member["weight"] for member in card["members"]])
    intercept = float(card["intercept"])

    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for position in batch.column(0).to_pylist():
                yield from combine_bucket(paths, weights, intercept, buckets[position])

    one_each = spark.range(0, len(buckets), 1, numPartitions=len(buckets))
    return one_each.mapInArrow(run, schemas.PREDICTIONS.ddl)


def combine_bucket(
    members: Mapping[str, str], weights: npt.NDArray[np.float64], intercept: float, bucket: int
) -> Iterator[pa.RecordBatch]:
    """Yield the blend's rows of one bucket.

    Args:
        members: Model to the path of its predictions.
        weights: [M], in the order of `members`.
        intercept: Added to the weighted sum.
        bucket: The bucket.

    Raises:
        DataError: The members have predictions for different pairs.
    """
    tables = {name: _read_sorted(path, bucket) for name, path in members.items()}
    first = next(iter(tables.values()))
    for name, table in tables.items():
        if not all(first.column(key).equals(table.column(key)) for key in _READ[:2]):
            raise DataError(
                describe(
                    f"{members[name]}, bucket {bucket}",
                    found=f"pairs other than those of {next(iter(members))}",
                    expected="predictions for the same test set",
                    remedy="Run jobs/score.py with --force for all members.",
                )
            )
    answers = [
        (table.column(c.PREDICTION).to_numpy(), table.column(c.FALLBACK).is_null().to_numpy())
        for table in tables.values()
    ]
    found = weigh(answers, weights, intercept)
    has_none = np.isnan(found)
    prediction = pa.array(np.where(has_none, answers[0][0], found).astype(np.float32))
    fallback = pc.if_else(has_none, first.column(c.FALLBACK).combine_chunks(), None)
    blended = [
        *(first.column(name).combine_chunks() for name in _READ[:4]),
        prediction,
        pa.nulls(first.num_rows, pa.float32()),
        fallback,
        pa.array(np.full(first.num_rows, bucket, np.int32)),
    ]
    yield from pa.table(blended, names=list(schemas.PREDICTIONS.columns)).to_batches()


def _read_sorted(path: str, bucket: int) -> pa.Table:
    """Return one bucket of predictions, ordered by user and movie."""
    folder = bucket_folder(path, bucket)
    batches = list(parquet.read_batches(folder, _READ))
    if not batches:
        remedy = "Run jobs/score.py with --force for this model."
        raise DataError(describe(folder, found="no rows", expected="some", remedy=remedy))
    table = pa.Table.from_batches(batches)
    user, movie = (table.column(key).to_numpy().astype(np.int64) for key in _READ[:2])
    return table.take(pa.array(np.argsort((user << 32) | movie)))
