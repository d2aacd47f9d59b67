"""The feed that holds a rank's ratings in memory and shuffles them in each epoch.

An epoch is gathered in parts. Within a part each bucket is read on its own, and it fits in the
processor's cache. Gathering step by step would jump through all ratings.

Shape legend: N ratings of a rank, P rows of a part, S steps of an epoch.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from recspark.arrays.user_buckets import Shard
from recspark.training.batches import Batch, Ratings
from recspark.training.compiled import Threads
from recspark.training.order_loops import gather_bucket
from recspark.training.plan import StepPlan

PARTS = 8
RESIDENT_ROW_BYTES = 18
"""Bytes per rating: 12 for itself, 4 for its place in the order, 1.5 for the part read ahead."""


class ResidentBatches:
    """Batches of ratings in memory, each bucket in a random order.

    Memory: RESIDENT_ROW_BYTES per rating, on the device that trains.
    """

    def __init__(self, ratings: Ratings, plan: StepPlan, shard: Shard, threads: Threads) -> None:
        """Take over a rank's ratings, in the order of `shard.buckets`."""
        self._plan, self._ratings, self._threads = plan, ratings, threads
        self._starts, start = {}, 0
        for bucket in shard.buckets:
            self._starts[bucket] = start
            start += plan.bucket_rows.get(bucket, 0)

    def epoch_steps(self, epoch: int, first_step: int = 0) -> Iterator[Batch]:
        """Yield the rank's part of each step; see `Batches`."""
        plan, device = self._plan, self._ratings.ratings.device
        orders = {bucket: plan.bucket_order(epoch, bucket, device) for bucket in self._starts}
        gather = self._gather_by_loops if device.type == "cpu" else self._gather_by_tensors
        steps_per_part = -(-plan.num_steps // PARTS)
        for first in range(first_step, plan.num_steps, steps_per_part):
            end = min(first + steps_per_part, plan.num_steps)
            users, movies, ratings = gather(orders, first, end)
            places = np.cumsum([0, *(self._count(step) for step in range(first, end))]).tolist()
            for start, stop in pairwise(places):
                span = slice(start, stop)
                yield users[span], movies[span], ratings[span]

    def close(self) -> None:
        """Release the ratings."""
        self._starts = {}

    def _count(self, step: int) -> int:
        """Return the rank's rows of a step."""
        plan = self._plan
        return sum(plan.start(step + 1, b) - plan.start(step, b) for b in self._starts)

    def _gather_by_loops(self, orders: dict[int, Tensor], first: int, end: int) -> Batch:
        """Return the rows of the steps from `first` to `end`, step by step, [P] each."""
        plan = self._plan
        # [buckets, steps + 1]: where each step starts in each bucket's order
        starts = np.array([[plan.start(s, b) for s in range(first, end + 1)] for b in orders])
        sizes = np.diff(starts, axis=1)
        # where each bucket's rows of each step go: after those of earlier steps and buckets
        into = np.cumsum(sizes.T.ravel()) - sizes.T.ravel()
        into = into.reshape(sizes.T.shape).T
        num_rows = int(sizes.sum())
        found = (
            np.empty(num_rows, np.int32),
            np.empty(num_rows, np.int32),
            np.empty(num_rows, np.float32),
        )
        source = self._ratings
        columns = (source.user_rows.numpy(), source.movie_index.numpy(), source.ratings.numpy())
        buckets = list(orders)

        def gather(part: int) -> None:
            for number in range(part, len(buckets), self._threads.count):
                bucket = buckets[number]
                order, start = orders[bucket].numpy(), self._starts[bucket]
                gather_bucket(order, starts[number], into[number], start, *columns, *found)

        self._threads.run(gather)
        users, movies, ratings = map(torch.from_numpy, found)
        return users, movies, ratings

    def _gather_by_tensors(self, orders: dict[int, Tensor], first: int, end: int) -> Batch:
        """Return the same by tensor operations on any device, which is not waited for."""
        plan, positions, steps = self._plan, [], []
        for bucket, order in orders.items():
            span = torch.arange(
                plan.start(first, bucket), plan.start(end, bucket), device=order.device
            )
            positions.append(order[plan.start(first, bucket) : plan.start(end, bucket)])
            positions[-1] = positions[-1] + self._starts[bucket]
            # step s starts at floor(s · rows / S)
            rows = max(1, plan.bucket_rows.get(bucket, 0))
            steps.append(((span + 1) * plan.num_steps - 1).div(rows, rounding_mode="floor"))
        by_step = torch.cat(steps).argsort(stable=True)
        return self._ratings.take(torch.cat(positions).index_select(0, by_step))
