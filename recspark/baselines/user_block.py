"""One bucket of train in memory: users by movies, each rating less its user's mean."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from scipy import sparse

from recspark import columns as c
from recspark import storage
from recspark.errors import DataError, describe
from recspark.manifest import Manifest


@dataclass(frozen=True)
class TrainBuckets:
    """Where train lies and what it must hold; small and picklable, sent to every task."""

    path: str
    bucket_rows: Mapping[int, int]
    """Bucket to rows, from train's manifest; empty buckets are left out."""
    num_movies: int
    """Movies in the index."""


def locate_train(path: str, manifest: Manifest) -> TrainBuckets:
    """Return where train lies and what its manifest says it holds, for tasks that read it."""
    rows = {bucket: count for bucket, count in manifest.bucket_rows.items() if count}
    return TrainBuckets(path, rows, num_movies=manifest.counts["num_movies"])


@dataclass(frozen=True)
class UserBlock:
    """The users of one bucket that have ratings in train, by rising `user_index`."""

    user_index: npt.NDArray[np.int32]
    """[users]"""
    means: npt.NDArray[np.float64]
    """[users], each user's mean rating."""
    deviations: sparse.csr_matrix
    """[users, movies], rating − mean on rated cells; movies ascend within a row."""


def build_block(
    user_index: npt.NDArray[np.int32],
    movie_index: npt.NDArray[np.int32],
    ratings: npt.NDArray[np.float32],
    num_movies: int,
) -> UserBlock:
    """Return the block of these ratings, whatever their order.

    Args:
        user_index: [rows]
        movie_index: [rows], each below `num_movies`; a (user, movie) occurs once.
        ratings: [rows]
        num_movies: Columns of the matrix.
    """
    users, rows = np.unique(user_index, return_inverse=True)
    # Sums of FLOAT values are exact in double precision: the order of the rows leaves no trace.
    values = ratings.astype(np.float64)
    means = np.bincount(rows, weights=values, minlength=len(users)) / np.bincount(
        rows, minlength=len(users)
    )
    deviations = sparse.csr_matrix(
        (values - means[rows], (rows, movie_index)), shape=(len(users), num_movies)
    )
    deviations.sort_indices()
    return UserBlock(user_index=users.astype(np.int32), means=means, deviations=deviations)


def require_whole(train: TrainBuckets) -> None:
    """Raise a DataError where a bucket's files hold another number of rows than the manifest says.

    Reads footers only. Called on the driver, before tasks start that read the buckets.
    """
    for bucket, expected in train.bucket_rows.items():
        found = sum(map(storage.count_rows, storage.parquet_files(_folder(train.path, bucket))))
        if found != expected:
            raise DataError(
                describe(
                    f"{train.path}, bucket {bucket}",
                    found=f"{found:,} rows",
                    expected=f"{expected:,} by its manifest",
                    remedy="Run jobs/prepare.py with --force to write train again.",
                )
            )


def read_block(train: TrainBuckets, bucket: int) -> UserBlock:
    """Return one bucket of train, read straight from its Parquet files.

    Memory: about 12 bytes a rating kept, five times that while it is built.
    """
    columns = [c.USER_INDEX, c.MOVIE_INDEX, c.RATING]
    users, movies, ratings = read_bucket(train.path, bucket, columns)
    return build_block(users, movies, ratings, train.num_movies)


def read_bucket(path: str, bucket: int, columns: list[str]) -> list[npt.NDArray]:
    """Return columns of one bucket of any bucketed data set as arrays; empty where it has none."""
    tables = []
    for name in storage.parquet_files(_folder(path, bucket)):
        fs, stripped = storage.filesystem(name)
        with fs.open(stripped, "rb") as file:
            tables.append(pq.ParquetFile(file).read(columns=columns))
    if not tables:
        return [np.empty(0, np.int32) for _ in columns]
    return [np.concatenate([table[name].to_numpy() for table in tables]) for name in columns]


def _folder(path: str, bucket: int) -> str:
    return posixpath.join(path, f"{c.BUCKET}={bucket}")
