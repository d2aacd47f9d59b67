"""Scores a bucketed data set of ratings, one task per bucket, from file to file."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

import pyarrow as pa

from recspark.arrays.ratings import NO_TIME
from recspark.cluster.tasks import PartFile, write_batches
from recspark.contract import columns as c
from recspark.errors import DataError, describe
from recspark.files import parquet
from recspark.scoring.predict import Scoring, score_pairs

# Rows scored and written at a time: about 60 MB with everything derived from them.
BLOCK_ROWS = 524_288

_KEPT = [c.USER_INDEX, c.MOVIE_INDEX, c.RATING, c.RATED_AT]
_SCHEMA = pa.schema(
    [
        (c.USER_INDEX, pa.int32()),
        (c.MOVIE_INDEX, pa.int32()),
        (c.RATING, pa.float32()),
        (c.RATED_AT, pa.int32()),
        (c.PREDICTION, pa.float32()),
        (c.PREDICTION_STD, pa.float32()),
        (c.FALLBACK, pa.string()),
    ]
)


def score_bucket(scoring: Scoring, path: str, bucket: int, num_rows: int, root: str) -> PartFile:
    """Write one bucket of `path` with what `Scored` adds, each row once; inside a task.

    Args:
        scoring: The models.
        path: A data set with the columns of train.
        bucket: The bucket's number.
        num_rows: Rows of the bucket according to the manifest.
        root: Staging folder of the predictions.

    Raises:
        DataError: The bucket has a different number of rows.
    """
    name = f"{c.BUCKET}={bucket}/part-0.parquet"
    rows = _score(scoring, posixpath.dirname(f"{path}/{name}"))
    part = write_batches(rows, _SCHEMA, root, name, distinct=[c.PREDICTION])
    if part.num_rows != num_rows:
        raise DataError(
            describe(
                f"{path}, bucket {bucket}",
                found=f"{part.num_rows:,} rows",
                expected=f"{num_rows:,} by its manifest",
                remedy="Run jobs/prepare.py with --force to write it again.",
            )
        )
    return part


def _score(scoring: Scoring, folder: str) -> Iterator[pa.RecordBatch]:
    for batch in parquet.read_batches(folder, _KEPT, BLOCK_ROWS):
        users, movies = (batch.column(name).to_numpy() for name in (c.USER_INDEX, c.MOVIE_INDEX))
        times = batch.column(c.RATED_AT).fill_null(NO_TIME).to_numpy()
        scored = score_pairs(scoring, users, movies, times)
        yield pa.RecordBatch.from_arrays([*batch.columns, *scored.columns], schema=_SCHEMA)
