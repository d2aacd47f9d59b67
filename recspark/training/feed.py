"""Stored ratings to tensors, through the reader that `train.reader` names.

For the resident feed a rank reads each of its buckets once, file by file. The folder's name then
gives the bucket, and rows keep their stored order, which the step plan relies on. For the streaming
feed it reads row groups and opens each one separately: one open reader per bucket would cost
petastorm two threads and a poll each.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from recspark.arrays.compiled import Threads
from recspark.arrays.user_buckets import Shard, rows_of
from recspark.config import TrainConfig
from recspark.contract.paths import bucket_folder
from recspark.errors import TrainingError, describe
from recspark.files import parquet, storage
from recspark.files.parquet import RowGroup
from recspark.training.batches import Batches, Ratings
from recspark.training.plan import StepPlan
from recspark.training.readers import Reader, load_reader
from recspark.training.resident import RESIDENT_ROW_BYTES, ResidentBatches
from recspark.training.stored import Columns
from recspark.training.stream import StreamingBatches

__all__ = ["Batches", "Ratings", "open_batches", "read_ratings"]

logger = logging.getLogger(__name__)

READ_ATTEMPTS = 2


def open_batches(
    paths: tuple[str, ...],
    bucket_rows: Mapping[int, int],
    shard: Shard,
    plan: StepPlan,
    device: torch.device,
    settings: TrainConfig,
    threads: Threads,
) -> Batches:
    """Return the batches of a rank, held in memory or read again in each epoch.

    Args:
        paths: The data sets to train on, partitioned by bucket; each bucket has the rows of all.
        bucket_rows: Rows by bucket, from the manifests; every row read is counted against it.
        shard: The rank's buckets and users.
        plan: The steps of an epoch.
        device: Where batches go.
        settings: The train section; `feed`, `feed_memory_mib` and `reader` matter here.
        threads: Those that gather a batch.

    Raises:
        TrainingError: A bucket has more or fewer rows than its manifest says.
    """
    if is_resident(bucket_rows, shard, settings):
        ratings = read_ratings(paths, bucket_rows, shard, device, settings)
        return ResidentBatches(ratings, plan, shard, threads)
    with ExitStack() as copies:
        groups = {
            bucket: _list_row_groups(folders_of(paths, bucket), rows, copies)
            for bucket in shard.buckets
            if (rows := bucket_rows.get(bucket, 0))
        }
        read_group = partial(read_row_group, load_reader(settings.reader))
        memory = settings.feed_memory_mib * 2**20
        return StreamingBatches(
            groups, read_group, plan, shard, device, memory, on_close=copies.pop_all().close
        )


def is_resident(bucket_rows: Mapping[int, int], shard: Shard, settings: TrainConfig) -> bool:
    """Return whether ratings are held in memory; the answer is the same on all ranks of a job.

    `auto` asks whether the ratings of the largest rank fit. So the answer, and with it the order of
    rows, can change with the number of ranks.
    """
    if settings.feed == "auto":
        ranks = (replace(shard, rank=rank) for rank in range(shard.num_ranks))
        most = max(rows_of(one, bucket_rows) for one in ranks)
        return most * RESIDENT_ROW_BYTES <= settings.feed_memory_mib * 2**20
    return settings.feed == "resident"


def read_ratings(
    paths: tuple[str, ...],
    bucket_rows: Mapping[int, int],
    shard: Shard,
    device: torch.device,
    settings: TrainConfig,
) -> Ratings:
    """Return all ratings of a rank's buckets.

    Args:
        paths: Data sets partitioned by bucket; those of one bucket follow each other.
        bucket_rows: Rows by bucket, from the manifests; every row read is counted against it.
        shard: The rank's buckets and users.
        device: Where the tensors go.
        settings: The train section; `reader` matters here.

    Raises:
        TrainingError: Twice a bucket gave more or fewer rows than its manifest says.
    """
    packed = np.empty((rows_of(shard, bucket_rows), 3), np.int32)
    users, movies, ratings = packed[:, 0], packed[:, 1], packed.view(np.float32)[:, 2]
    start, reader = 0, load_reader(settings.reader)
    for bucket, offset in shard.offsets.items():
        span = slice(start, start + bucket_rows.get(bucket, 0))
        if span.stop > start:
            into = (users[span], movies[span], ratings[span])
            _read_bucket(reader, folders_of(paths, bucket), into)
            users[span] = offset + users[span] // shard.num_buckets
        start = span.stop
    return Ratings(torch.from_numpy(packed).to(device))


def folders_of(paths: tuple[str, ...], bucket: int) -> list[str]:
    """Return the folders of a bucket in all data sets."""
    return [bucket_folder(path, bucket) for path in paths]


def _read_bucket(reader: Reader, folders: list[str], into: Columns) -> None:
    """Fill arrays of the expected length from one bucket's files."""
    name = " and ".join(folders)
    expected = len(into[0])
    for attempt in range(1, READ_ATTEMPTS + 1):
        found = 0
        for batch in _read_batches(reader, folders):
            end = found + len(batch[0])
            if end <= expected:
                for column, values in zip(into, batch, strict=True):
                    column[found:end] = values
            found = end
        if found == expected:
            return
        # petastorm's thread pool can think that it has finished before it has begun (0 == 0).
        logger.warning("%s: %s of %s rows, attempt %s", name, found, expected, attempt)
    raise _wrong_count(name, f"{found:,} rows in {READ_ATTEMPTS} attempts", expected)


def _wrong_count(where: str, found: str, expected: int) -> TrainingError:
    return TrainingError(
        describe(
            where,
            found=found,
            expected=f"{expected:,}, as its manifest says",
            remedy="Run jobs/prepare.py with --force; the files may be damaged or incomplete.",
        )
    )


def _read_batches(reader: Reader, folders: list[str]) -> Iterator[Columns]:
    """Yield the rows of each row group of a bucket, in stored order."""
    for path in list_files(folders):
        with storage.local_copy(path) as local:
            yield from reader.read_file(local)


def list_files(folders: list[str]) -> list[str]:
    """Return the files of folders, of which some may not exist, as a bucket may be empty."""
    return [
        path
        for folder in folders
        if storage.exists(folder)
        for path in parquet.parquet_files(folder)
    ]


def _list_row_groups(folders: list[str], expected: int, copies: ExitStack) -> list[RowGroup]:
    """Return the row groups of a bucket, read from its files' footers.

    A remote file is copied once, and `copies` keeps the copy on the local disk.
    """
    groups = []
    for path in list_files(folders):
        local = copies.enter_context(storage.local_copy(path))
        groups += parquet.list_row_groups(local)
    found = sum(group.num_rows for group in groups)
    if found != expected:
        raise _wrong_count(" and ".join(folders), f"{found:,} rows", expected)
    return groups


def read_row_group(reader: Reader, group: RowGroup) -> Columns:
    """Return the columns of one row group, opened separately.

    Raises:
        TrainingError: Twice its number of rows differed from the file's footer.
    """
    for attempt in range(1, READ_ATTEMPTS + 1):
        columns = reader.read_row_group(group)
        found = 0 if columns is None else len(columns[0])
        if columns is not None and found == group.num_rows:
            return columns
        logger.warning(
            "%s, row group %s: %s of %s rows, attempt %s",
            *(group.path, group.number, found, group.num_rows, attempt),
        )
    raise _wrong_count(
        f"{group.path}, row group {group.number}",
        f"{found:,} rows in {READ_ATTEMPTS} attempts",
        group.num_rows,
    )
