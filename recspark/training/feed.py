"""Stored ratings to tensors, through Petastorm. The one file that imports it.

A rank reads each of its buckets once, into memory, with a reader of its own and one worker: the
bucket is then known from the folder's name, and rows keep their stored order, which the step plan
relies on. Memory: 12 bytes a rating.
"""

from __future__ import annotations

import logging
import posixpath
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from petastorm import make_batch_reader
from torch import Tensor

from recspark import columns as c
from recspark import storage
from recspark.config import TrainConfig
from recspark.errors import TrainingError, describe
from recspark.training.plan import StepPlan
from recspark.training.shard import Shard, rows_of

# petastorm 0.12 calls pyarrow's old data set interface, once a row group.
warnings.filterwarnings("ignore", category=FutureWarning, module=r"petastorm\.")

logger = logging.getLogger(__name__)

COLUMNS = (c.USER_INDEX, c.MOVIE_INDEX, c.RATING)
READ_ATTEMPTS = 2


@dataclass(frozen=True)
class Ratings:
    """The ratings of one rank, bucket by bucket in rising order, on the device that trains."""

    user_rows: Tensor
    """int32 [N], rows of the rank's user table."""
    movie_index: Tensor
    """int32 [N]"""
    ratings: Tensor
    """float32 [N], rating units."""

    def __len__(self) -> int:
        return len(self.ratings)

    def take(self, positions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return (user_rows, movie_index, ratings) at int32 positions [B], each [B]."""
        return (
            self.user_rows.index_select(0, positions),
            self.movie_index.index_select(0, positions),
            self.ratings.index_select(0, positions),
        )


class Batches:
    """Interim: resident only."""

    def __init__(self, ratings: Ratings, shard: Shard, plan: StepPlan) -> None:
        self._ratings, self._shard, self._plan = ratings, shard, plan

    def epoch_steps(
        self, epoch: int, first_step: int = 0
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield the rank's rows of each step."""
        for step, positions in enumerate(self._plan.epoch_steps(epoch, self._shard.buckets)):
            if step >= first_step:
                yield self._ratings.take(positions.to(self._ratings.ratings.device))

    def close(self) -> None:
        """Nothing is open."""


def open_batches(
    path: str,
    bucket_rows: Mapping[int, int],
    shard: Shard,
    plan: StepPlan,
    device: torch.device,
    settings: TrainConfig,
) -> Batches:
    """Return the feed."""
    return Batches(read_ratings(path, bucket_rows, shard, device), shard, plan)


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
            folder = posixpath.join(path, f"{c.BUCKET}={bucket}")
            _read_bucket(folder, (users[span], movies[span], ratings[span]))
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
    raise TrainingError(
        describe(
            folder,
            found=f"{found:,} rows in {READ_ATTEMPTS} attempts",
            expected=f"{expected:,}, as its manifest says",
            remedy="Run jobs/prepare.py with --force; the files may be damaged or incomplete.",
        )
    )


def _read_batches(folder: str) -> Iterator[tuple[npt.NDArray[np.generic], ...]]:
    """Yield (user_index, movie_index, rating) of each row group of a bucket, in stored order."""
    for path in storage.parquet_files(folder):
        with (
            storage.local_copy(path) as local,
            make_batch_reader(
                # A file, not the folder: Petastorm would stumble over manifests beside it. And not
                # Path.as_uri: Petastorm takes %3D for three characters.
                f"file://{local}",
                schema_fields=list(COLUMNS),
                reader_pool_type="thread",
                workers_count=1,
                num_epochs=1,
                shuffle_row_groups=False,
            ) as reader,
        ):
            for batch in reader:
                yield tuple(getattr(batch, name) for name in COLUMNS)
