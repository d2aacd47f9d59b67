"""The buckets of train, read by tasks straight from their Parquet files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from recspark.contract.paths import bucket_folder
from recspark.datasets.manifest import Manifest
from recspark.datasets.prepared import PreparedFacts
from recspark.errors import DataError, describe
from recspark.files import parquet, storage


@dataclass(frozen=True)
class TrainBuckets:
    """The path of train and its expected rows; small and picklable, sent to every task."""

    path: str
    bucket_rows: Mapping[int, int]
    """Bucket to number of rows, from train's manifest, without empty buckets."""
    num_movies: int
    """Movies in the index."""


def locate_train(path: str, manifest: Manifest) -> TrainBuckets:
    """Return the path of train and the rows that its manifest records, for tasks that read it."""
    rows = {bucket: count for bucket, count in manifest.bucket_rows.items() if count}
    return TrainBuckets(path, rows, num_movies=PreparedFacts.of(manifest).num_movies)


def require_whole(train: TrainBuckets) -> None:
    """Raise a DataError if a bucket's files do not have the number of rows in the manifest.

    Only footers are read. The driver calls this before it starts tasks that read the buckets.
    """
    for bucket, expected in train.bucket_rows.items():
        files = parquet.parquet_files(bucket_folder(train.path, bucket))
        found = sum(map(parquet.count_rows, files))
        if found != expected:
            raise DataError(
                describe(
                    f"{train.path}, bucket {bucket}",
                    found=f"{found:,} rows",
                    expected=f"{expected:,} according to its manifest",
                    remedy="Run jobs/prepare.py with --force to write train again.",
                )
            )


def read_bucket(path: str, bucket: int, columns: list[str]) -> list[npt.NDArray]:
    """Return columns of one bucket of any bucketed data set as arrays; empty if it has no rows."""
    tables = []
    for name in parquet.parquet_files(bucket_folder(path, bucket)):
        fs, stripped = storage.filesystem(name)
        with fs.open(stripped, "rb") as file:
            tables.append(pq.ParquetFile(file).read(columns=columns))
    if not tables:
        return [np.empty(0, np.int32) for _ in columns]
    return [np.concatenate([table[name].to_numpy() for table in tables]) for name in columns]
