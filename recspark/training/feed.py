"""Stored ratings to tensors, through Petastorm. The one file that imports it.

For the resident feed a rank reads each of its buckets once, with a reader of its own and one
worker: the bucket is then known from the folder's name, and rows keep their stored order, which the
step plan relies on. For the streaming feed it reads row groups, one reader each: readers that stay
open beside each other, one a bucket, would cost two threads and a poll each.
"""

from __future__ import annotations

import logging
import posixpath
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import torch
from petastorm import make_batch_reader
from petastorm.reader import Reader

from recspark import columns as c
from recspark import storage
from recspark.config import TrainConfig
from recspark.errors import TrainingError, describe
from recspark.training.batches import Batches, Ratings
from recspark.training.plan import StepPlan
from recspark.training.resident import RESIDENT_ROW_BYTES, ResidentBatches
from recspark.training.shard import Shard, rows_of
from recspark.training.stream import Columns, RowGroup, StreamingBatches

__all__ = ["Batches", "Ratings", "open_batches", "read_ratings"]

# petastorm 0.12 calls pyarrow's old data set interface, once a row group.
warnings.filterwarnings("ignore", category=FutureWarning, module=r"petastorm\.")

logger = logging.getLogger(__name__)

COLUMNS = (c.USER_INDEX, c.MOVIE_INDEX, c.RATING)
READ_ATTEMPTS = 2


def open_batches(
    path: str,
    bucket_rows: Mapping[int, int],
    shard: Shard,
    plan: StepPlan,
    device: torch.device,
    settings: TrainConfig,
) -> Batches:
    """Return the batches of a rank, held in memory or read anew each epoch.

    Args:
        path: The train data set, partitioned by bucket.
        bucket_rows: Rows by bucket, from its manifest; every row read is counted against it.
        shard: The rank's buckets and users.
        plan: The steps of an epoch.
        device: Where batches go.
        settings: Decide by `feed` and `feed_memory_mib`.

    Raises:
        TrainingError: A bucket has more or fewer rows than its manifest says.
    """
    if is_resident(bucket_rows, shard, settings):
        return ResidentBatches(read_ratings(path, bucket_rows, shard, device), plan, shard)
    with ExitStack() as copies:
        groups = {
            bucket: _list_row_groups(bucket_folder(path, bucket), rows, copies)
            for bucket in shard.buckets
            if (rows := bucket_rows.get(bucket, 0))
        }
        memory = settings.feed_memory_mib * 2**20
        return StreamingBatches(
            groups, read_row_group, plan, shard, device, memory, on_close=copies.pop_all().close
        )


def is_resident(bucket_rows: Mapping[int, int], shard: Shard, settings: TrainConfig) -> bool:
    """Return whether ratings are held in memory; all ranks of a job come to the same answer.

    `auto` asks whether the ratings of the rank with the most fit, so it can change with the number
    of ranks, and the order of rows with it.
    """
    if settings.feed == "auto":
        ranks = (replace(shard, rank=rank) for rank in range(shard.num_ranks))
        most = max(rows_of(one, bucket_rows) for one in ranks)
        return most * RESIDENT_ROW_BYTES <= settings.feed_memory_mib * 2**20
    return settings.feed == "resident"


def bucket_folder(path: str, bucket: int) -> str:
    """Return the folder of one bucket of a data set."""
    return posixpath.join(path, f"{c.BUCKET}={bucket}")


def read_ratings(
    path: str, bucket_rows: Mapping[int, int], shard: Shard, device: torch.device
) -> Ratings:
    """Return all ratings of a rank's buckets.

    Args:
        path: A data set partitioned by bucket (train or valid).
        bucket_rows: Rows by bucket, from its manifest; every row read is counted against it.
        shard: The rank's buckets and users.
        device: Where the tensors go.

    Raises:
        TrainingError: A bucket gave more or fewer rows than its manifest says, twice.
    """
    num_rows = rows_of(shard, bucket_rows)
    users = np.empty(num_rows, np.int32)
    movies = np.empty(num_rows, np.int32)
    ratings = np.empty(num_rows, np.float32)
    start = 0
    for bucket, offset in shard.offsets.items():
        span = slice(start, start + bucket_rows.get(bucket, 0))
        if span.stop > start:
            _read_bucket(bucket_folder(path, bucket), (users[span], movies[span], ratings[span]))
            users[span] = offset + users[span] // shard.num_buckets
        start = span.stop
    return Ratings(*(torch.from_numpy(column).to(device) for column in (users, movies, ratings)))


def _read_bucket(folder: str, into: tuple[npt.NDArray[np.generic], ...]) -> None:
    """Fill arrays of the expected length from one bucket's files."""
    expected = len(into[0])
    for attempt in range(1, READ_ATTEMPTS + 1):
        found = 0
        for batch in _read_batches(folder):
            end = found + len(batch[0])
            if end <= expected:
                for column, values in zip(into, batch, strict=True):
                    column[found:end] = values
            found = end
        if found == expected:
            return
        # petastorm's thread pool can take itself for finished before it has begun (0 == 0).
        logger.warning("%s: %s of %s rows, attempt %s", folder, found, expected, attempt)
    raise _wrong_count(folder, f"{found:,} rows in {READ_ATTEMPTS} attempts", expected)


def _wrong_count(where: str, found: str, expected: int) -> TrainingError:
    return TrainingError(
        describe(
            where,
            found=found,
            expected=f"{expected:,}, as its manifest says",
            remedy="Run jobs/prepare.py with --force; the files may be damaged or incomplete.",
        )
    )


def _read_batches(folder: str) -> Iterator[tuple[npt.NDArray[np.generic], ...]]:
    """Yield (user_index, movie_index, rating) of each row group of a bucket, in stored order."""
    for path in storage.parquet_files(folder):
        with storage.local_copy(path) as local, _open_reader(local, "thread") as reader:
            for batch in reader:
                yield tuple(getattr(batch, name) for name in COLUMNS)


def _list_row_groups(folder: str, expected: int, copies: ExitStack) -> list[RowGroup]:
    """Return the row groups of a bucket by its files' footers.

    A remote file is copied once, and `copies` keeps it on the local disk.
    """
    groups = []
    for path in storage.parquet_files(folder):
        local = copies.enter_context(storage.local_copy(path))
        footer = pq.read_metadata(local)
        groups += [
            RowGroup(local, number, footer.num_row_groups, footer.row_group(number).num_rows)
            for number in range(footer.num_row_groups)
        ]
    found = sum(group.num_rows for group in groups)
    if found != expected:
        raise _wrong_count(folder, f"{found:,} rows", expected)
    return groups


def read_row_group(group: RowGroup) -> Columns:
    """Return the columns of one row group, with a reader of its own that reads when asked.

    Raises:
        TrainingError: It has another number of rows than the file's footer says, twice.
    """
    for attempt in range(1, READ_ATTEMPTS + 1):
        with _open_reader(
            group.path, "dummy", cur_shard=group.number, shard_count=group.of
        ) as reader:
            # One item and no question after it: asked whether there is more, petastorm's pool
            # without threads can wait for ever.
            batch = next(reader, None)
        found = 0 if batch is None else len(batch[0])
        if batch is not None and found == group.num_rows:
            users, movies, ratings = (getattr(batch, name) for name in COLUMNS)
            return users, movies, ratings
        logger.warning(
            "%s, row group %s: %s of %s rows, attempt %s",
            *(group.path, group.number, found, group.num_rows, attempt),
        )
    raise _wrong_count(
        f"{group.path}, row group {group.number}",
        f"{found:,} rows in {READ_ATTEMPTS} attempts",
        group.num_rows,
    )


def _open_reader(local: str, pool: str, **selection: int) -> Reader:
    return make_batch_reader(
        # A file, not the folder: Petastorm would stumble over manifests beside it. And not
        # Path.as_uri: Petastorm takes %3D for three characters.
        f"file://{local}",
        schema_fields=list(COLUMNS),
        reader_pool_type=pool,
        workers_count=1,
        num_epochs=1,
        shuffle_row_groups=False,
        **selection,
    )
