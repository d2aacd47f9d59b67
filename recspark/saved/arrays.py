"""The user and movie tables of Spark's models, in array files that scoring maps into memory.

    models/<name>/users/bucket-00003.npy   one row per user of the bucket
                  movies.npy               one row per movie

Row `user_index // num_buckets` of a bucket's file belongs to that user, as in a trained model. The
row of a user or movie without a rating in train is NaN.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from recspark.arrays.user_buckets import locate, users_of
from recspark.cluster.arrow_blocks import Block, partition_rows
from recspark.cluster.shuffle import shuffle
from recspark.cluster.tasks import spread
from recspark.errors import DataError, describe
from recspark.files import parquet, storage

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Array = npt.NDArray[Any]

_MOVIES = "movies.npy"
_KEY, _VALUES = "key", "values"


def export_arrays(
    spark: SparkSession,
    folder: str,
    *,
    users: str,
    movies: str,
    key: tuple[str, str],
    value: str,
    num_users: int,
    num_movies: int,
    num_buckets: int,
) -> None:
    """Write the arrays of a model from the Parquet files in which Spark saved it.

    The driver holds the movies in memory; a task holds one bucket of users.

    Args:
        spark: The session whose tasks write the users.
        folder: The model's folder.
        users: Data set with one row per user.
        movies: The same for movies.
        key: The index columns of users and movies.
        value: The column of values in both: numbers, or lists of equal length.
        num_users: Users in the index.
        num_movies: Movies in the index.
        num_buckets: Buckets of users.

    Raises:
        DataError: A user or movie occurs twice.
    """
    blocks = [_read(file, key[1], value) for file in parquet.parquet_files(movies)]
    blocks = [block for block in blocks if block.num_rows]
    values = blocks[0].column(_VALUES).type
    _write(posixpath.join(folder, _MOVIES), _fill(blocks, num_movies, 1, values, movies))

    def partition(files: Iterable[str]) -> Iterator[Block]:
        for file in files:
            batch = _read(file, key[0], value)
            yield from partition_rows(
                batch, locate(batch.column(_KEY).to_numpy(), num_buckets)[0], num_buckets
            )

    def write(bucket: int, received: Iterator[pa.RecordBatch]) -> None:
        num_rows = len(users_of(bucket, num_users, num_buckets))
        rows = _fill(received, num_rows, num_buckets, values, users)
        _write(_users_file(folder, bucket), rows)

    files = parquet.parquet_files(users)
    blocks_by_bucket = spread(spark, files, len(files)).mapPartitions(partition)
    shuffle(spark, blocks_by_bucket, num_buckets, write, folder)


def save_movies(folder: str, table: Array) -> None:
    """Write the movies' rows, [movies, values]."""
    _write(posixpath.join(folder, _MOVIES), table)


def read_movies(folder: str) -> Array:
    """Return the movies' rows, [movies, values], mapped if the file is local."""
    return read_array(posixpath.join(folder, _MOVIES))


def read_users(folder: str, bucket: int) -> Array:
    """Return the rows of a bucket's users, [users of the bucket, values], mapped if local."""
    return read_array(_users_file(folder, bucket))


def _users_file(folder: str, bucket: int) -> str:
    return posixpath.join(folder, "users", f"bucket-{bucket:05d}.npy")


def _read(file: str, key: str, value: str) -> pa.RecordBatch:
    """Return (key, values) of one Parquet file; values are fixed-size lists."""
    fs, stripped = storage.filesystem(file)
    with fs.open(stripped, "rb") as opened:
        table = pq.ParquetFile(opened).read([key, value]).combine_chunks()
    values = table.column(value).combine_chunks()
    flat = values.flatten() if pa.types.is_list(values.type) else values
    width = max(1, len(flat) // max(1, len(values)))
    lists = pa.FixedSizeListArray.from_arrays(flat, width)
    keys = table.column(key).cast(pa.int64()).combine_chunks()
    return pa.RecordBatch.from_arrays([keys, lists], [_KEY, _VALUES])


def _fill(
    batches: Iterable[pa.RecordBatch], num_rows: int, stride: int, values: pa.DataType, where: str
) -> Array:
    """Return [num_rows, values] with the rows at `key // stride` filled and all others NaN."""
    table = np.full((num_rows, values.list_size), np.nan, values.value_type.to_pandas_dtype())
    num_filled = 0
    for batch in batches:
        if batch.num_rows:
            rows = batch.column(_KEY).to_numpy() // stride
            flat = batch.column(_VALUES).flatten().to_numpy(zero_copy_only=False)
            table[rows] = flat.reshape(len(rows), -1)
            num_filled += len(rows)
    num_known = int(np.count_nonzero(~np.isnan(table[:, 0])))
    if num_filled != num_known:
        raise DataError(
            describe(
                where,
                found=f"{num_filled:,} rows for {num_known:,} users or movies",
                expected="one row of numbers for each",
                remedy="Run jobs/baseline.py with --force.",
            )
        )
    return table


def write_array(path: str, parts: Iterable[Array], shape: tuple[int, ...]) -> None:
    """Write an array file part by part: an array as large as memory is not copied.

    Args:
        path: The file.
        parts: Consecutive rows; of one type, in C order.
        shape: Of all parts together.
    """
    fs, stripped = storage.filesystem(path)
    fs.makedirs(posixpath.dirname(stripped), exist_ok=True)
    with fs.open(stripped, "wb") as file:
        for number, part in enumerate(parts):
            if number == 0:
                kind = np.lib.format.dtype_to_descr(part.dtype)
                header = {"descr": kind, "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
            file.write(np.ascontiguousarray(part).data)


def _write(path: str, table: Array) -> None:
    write_array(path, [table], table.shape)


def read_array(path: str) -> Array:
    """Return an array file, mapped if it is local; a DataError names one missing or damaged."""
    problem = "no such file"
    if storage.exists(path):
        try:
            # An array stays mapped even after the local copy of its file is removed.
            with storage.local_copy(path) as local:
                mapped: Array = np.load(local, mmap_mode="r", allow_pickle=False)
                return mapped
        except (ValueError, EOFError) as error:
            problem = f"a damaged file ({error})"
    raise DataError(
        describe(
            path,
            found=problem,
            expected="arrays of a fitted model",
            remedy="Fit the model again: jobs/baseline.py with --force.",
        )
    )
