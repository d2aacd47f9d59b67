from __future__ import annotations

import pytest
import torch

from recspark.arrays.compiled import Threads
from recspark.arrays.user_buckets import Shard
from recspark.training.batches import Ratings
from recspark.training.plan import StepPlan
from recspark.training.resident import ResidentBatches


@pytest.mark.parametrize(("num_threads", "by_tensors"), [(1, False), (2, False), (1, True)])
def test_steps_gathered_in_parts_equal_those_of_the_plan(
    num_threads: int, by_tensors: bool
) -> None:
    rows = {0: 41, 1: 70, 2: 3, 3: 30}
    plan = StepPlan(rows, 5, seed=8)  # 29 steps: 8 parts of 4 and a last one of 1
    shard = Shard(num_users=8, num_buckets=5, rank=1, num_ranks=2)  # buckets 1 and 3
    numbers = torch.arange(100, dtype=torch.int32)
    ratings = Ratings.of(numbers + 1000, numbers, numbers / 2)
    batches = ResidentBatches(ratings, plan, shard, Threads(num_threads))
    if by_tensors:
        batches._gather_by_loops = batches._gather_by_tensors  # type: ignore[method-assign]
    for first in (0, 6, 28):
        found = list(batches.epoch_steps(3, first))
        expected = list(plan.epoch_steps(3, [1, 3]))[first:]
        assert len(found) == len(expected) == 29 - first
        for (users, movies, ratings), positions in zip(found, expected, strict=True):
            assert movies.tolist() == positions.tolist()
            assert users.tolist() == (positions + 1000).tolist()
            assert ratings.tolist() == (positions / 2).tolist()
