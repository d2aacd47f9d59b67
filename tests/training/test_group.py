"""The group of ranks, with real gloo ranks: sums of gradients, and ranks that read for long."""

from __future__ import annotations

import multiprocessing
import time
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

import pytest
import torch

from recspark.arrays.user_buckets import Shard
from recspark.config import TrainConfig
from recspark.models.batch_norm import BatchNorm
from recspark.training import feed as feed_module
from recspark.training import make as make_module
from recspark.training import rank as rank_module
from recspark.training.batches import Ratings
from recspark.training.group import join_group
from recspark.training.job import TrainJob
from recspark.training.make import make_learner
from tests.training.jobs import (
    as_rank,
    be_rank,
    free_port,
    make_job,
    run_ranks,
)

TIMEOUT_SECONDS = 4


def sum_on_rank(rank: int, port: int, results: Queue[tuple[int, list[list[float]]]]) -> None:
    torch.set_num_threads(1)
    with as_rank(rank, 2, port), join_group(TrainConfig(device="cpu")) as group:
        several = [
            (torch.arange(6.0) * (1 + rank)).reshape(3, 2).t(),  # not contiguous
            torch.tensor(10.0 * (1 + rank)),
            torch.zeros(0, 4),
            torch.tensor([1.0, 2.0]) if rank else torch.zeros(2),
        ]
        single = [(torch.arange(4.0) * (1 + rank)).reshape(2, 2).t()]
        group.sum_gradients(several)
        group.sum_gradients(single)
        found = [tensor.flatten().tolist() for tensor in (*several, *single)]
        for count in (5, 1):  # of one row, rank 0 has no share
            values = torch.arange(2.0 * count).reshape(count, 2) * (1 + 9 * rank)
            found.append(group.sum_share(values).flatten().tolist())
        results.put((rank, found))


def test_gradients_are_summed_in_place_on_every_rank_and_rows_on_one() -> None:
    context = multiprocessing.get_context("spawn")
    results, port = context.Queue(), free_port()
    ranks = [context.Process(target=sum_on_rank, args=(n, port, results)) for n in range(2)]
    for rank in ranks:
        rank.start()
    found = dict(results.get(timeout=90) for _ in ranks)
    for rank in ranks:
        rank.join(60)
        assert rank.exitcode == 0
    expected = [[0, 6, 12, 3, 9, 15], [30], [], [1, 2], [0, 6, 3, 9]]
    shares = [[[0, 11, 22, 33], []], [[44, 55, 66, 77, 88, 99], [0, 11]]]
    assert found == {rank: expected + shares[rank] for rank in range(2)}


def test_a_lone_rank_normalises_as_torch_does(tmp_path: Path) -> None:
    job = make_job(tmp_path, architecture="embedding_mlp", layers=("dense 4", "batch_norm"))
    shard = Shard(
        num_users=job.facts.num_users, num_buckets=job.facts.num_buckets, rank=0, num_ranks=1
    )
    with as_rank(), join_group(job.settings) as group, make_learner(job, shard, group) as learner:
        norms = [one for one in learner.model.modules() if isinstance(one, BatchNorm)]
        assert [norm.group for norm in norms] == [None]


def read_late(job: TrainJob, rank: int, num_ranks: int, port: int) -> None:
    """Be a rank; rank 1 reads for longer than the others wait in a step."""
    read = rank_module.read_ratings

    def read_slowly(*arguments: Any) -> Ratings:
        time.sleep(TIMEOUT_SECONDS + 2)
        return read(*arguments)

    if rank == 1:
        rank_module.read_ratings = make_module.read_ratings = feed_module.read_ratings = read_slowly
    be_rank(job, rank, num_ranks, port)


@pytest.mark.parametrize(
    "architecture", ["embedding_mlp", pytest.param("autorec", marks=pytest.mark.slow)]
)
def test_a_rank_may_read_for_longer_than_the_timeout(tmp_path: Path, architecture: str) -> None:
    settings = {"layers": ("dense 4", "batch_norm"), "timeout_seconds": TIMEOUT_SECONDS}
    job = make_job(tmp_path, architecture=architecture, target="raw", **settings)
    run_ranks(read_late, job, tmp_path / "late", num_ranks=2)
    assert (tmp_path / "late" / "model.json").exists()
