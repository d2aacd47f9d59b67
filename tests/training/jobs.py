"""A small training job for these tests: planted ratings in Parquet, and ranks to train on them."""

from __future__ import annotations

import functools
import multiprocessing
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np

from recspark.config import TrainConfig
from recspark.training.job import TrainJob
from recspark.training.rank import train_rank
from scripts import training_job

NUM_USERS, NUM_MOVIES, NUM_BUCKETS = 53, 17, 5

write_bucket = functools.partial(training_job.write_bucket, row_group_rows=30)
"""Writes small row groups, so that a bucket has several."""


def write_split(folder: Path, seed: int, share: float) -> dict[int, int]:
    """Write ratings of a planted model by bucket and return the rows of each."""
    rng = np.random.default_rng(seed)
    effects = np.random.default_rng(0).normal(size=(2, max(NUM_USERS, NUM_MOVIES))) * 0.7
    users, movies = np.nonzero(rng.random((NUM_USERS, NUM_MOVIES)) < share)
    noise = rng.normal(size=len(users)) * 0.3
    ratings = 3.5 + effects[0, users] + effects[1, movies] + noise
    rows = {}
    for bucket in range(NUM_BUCKETS):
        # Bucket 0 keeps every row and each further bucket fewer: uneven on purpose.
        mine = np.flatnonzero(users % NUM_BUCKETS == bucket)[: 120 - 20 * bucket]
        if len(mine):
            write_bucket(folder, bucket, users[mine], movies[mine], ratings[mine])
            rows[bucket] = len(mine)
    return rows


def make_job(root: Path, **settings: object) -> TrainJob:
    """Write new data under `root` and return a job over it."""
    defaults: dict[str, object] = {
        "architecture": "biased_mf",
        "embedding_size": 4,
        "epochs": 3,
        "batch_size": 64,
        "device": "cpu",
        "timeout_seconds": 30,
    }
    rows = (
        write_split(root / "train", seed=1, share=0.5),
        write_split(root / "valid", seed=2, share=0.1),
    )
    job = training_job.make_job(
        root,
        rows,
        TrainConfig(**{**defaults, **settings}),  # type: ignore[arg-type]
        num_users=NUM_USERS,
        num_movies=NUM_MOVIES,
        num_buckets=NUM_BUCKETS,
    )
    return replace(job, facts=replace(job.facts, rating_mean=3.5), seed=7)


@contextmanager
def as_rank(rank: int = 0, num_ranks: int = 1, port: int | None = None) -> Iterator[None]:
    """Set the variables by which torchrun tells a process its rank."""
    place = {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(num_ranks),
        "LOCAL_WORLD_SIZE": str(num_ranks),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port or free_port()),
        "GLOO_SOCKET_IFNAME": "lo",
    }
    with mock.patch.dict(os.environ, place):
        yield


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def train_alone(job: TrainJob, folder: Path) -> TrainJob:
    """Train in this process as the only rank, into another folder; return that job."""
    job = replace(job, folder=str(folder))
    with as_rank():
        train_rank(job)
    return job


def train_together(job: TrainJob, folder: Path, num_ranks: int) -> TrainJob:
    """Train with spawned processes; return the job with the new folder."""
    return run_ranks(be_rank, job, folder, num_ranks)


def run_ranks(be: Callable[..., None], job: TrainJob, folder: Path, num_ranks: int) -> TrainJob:
    """Call `be(job, rank, num_ranks, port)` in spawned processes; return the job as they get it."""
    job, port = replace(job, folder=str(folder)), free_port()
    context = multiprocessing.get_context("spawn")
    ranks = [
        context.Process(target=be, args=(job, rank, num_ranks, port)) for rank in range(num_ranks)
    ]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join(120)
    assert [rank.exitcode for rank in ranks] == [0] * num_ranks
    return job


def be_rank(job: TrainJob, rank: int, num_ranks: int, port: int) -> None:
    with as_rank(rank, num_ranks, port):
        train_rank(job)
