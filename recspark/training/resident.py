"""The feed that holds a rank's ratings in memory and shuffles them in each epoch.

An epoch is gathered in parts. Within a part each bucket is read on its own, and it fits in the
processor's cache. Gathering step by step would jump through all ratings.

Shape legend: N ratings of a rank, P rows of a part, S steps of an epoch.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from recspark.arrays.compiled import Threads
from recspark.arrays.user_buckets import Shard
from recspark.training.batches import Batch, Ratings
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
        plan, device = self._plan, self._ratings.packed.device
        orders = self._make_orders(epoch)
        gather = self._gather_by_loops if device.type == "cpu" else self._gather_by_tensors
        steps_per_part = -(-plan.num_steps // PARTS)
        for first in range(first_step, plan.num_steps, steps_per_part):
            end = min(first + steps_per_part, plan.num_steps)
            users, movies, ratings = gather(orders, first, end)
            sizes = np.diff(self._step_starts(first, end), axis=1).sum(axis=0)
            for start, stop in pairwise(np.cumsum([0, *sizes]).tolist()):
                yield users[start:stop], movies[start:stop], ratings[start:stop]

    def _make_orders(self, epoch: int) -> dict[int, Tensor]:
        orders: dict[int, Tensor] = dict.fromkeys(self._starts, torch.empty(0))
        buckets, device = list(orders), self._ratings.packed.device

        def make(part: int) -> None:
            for bucket in buckets[part :: self._threads.count]:
                orders[bucket] = self._plan.bucket_order(epoch, bucket, device)

        self._threads.run(make)
        return orders

    def close(self) -> None:
        """Release the ratings."""
        self._starts = {}

    def _step_starts(self, first: int, end: int) -> npt.NDArray[np.int64]:
        """Return where the steps from `first` to `end` start in each bucket, [buckets, steps + 1].

        The last column is where the last one ends.
        """
        plan = self._plan
        rows = np.array([[plan.bucket_rows.get(bucket, 0)] for bucket in self._starts], np.int64)
        return np.arange(first, end + 1) * rows // plan.num_steps

    def _gather_by_loops(self, orders: dict[int, Tensor], first: int, end: int) -> Batch:
        """Return the rows of the steps from `first` to `end`, step by step, [P] each."""
        starts = self._step_starts(first, end)
        sizes = np.diff(starts, axis=1)
        # where each bucket's rows of each step go: after those of earlier steps and buckets
        into = np.cumsum(sizes.T.ravel()) - sizes.T.ravel()
        into = into.reshape(sizes.T.shape).T
        num_rows = int(sizes.sum())
        found = [np.empty(num_rows, np.int32) for _ in range(3)]
        rows, buckets = self._ratings.packed.numpy(), list(orders)

        def gather(part: int) -> None:
            for number in range(part, len(buckets), self._threads.count):
                order = orders[buckets[number]].numpy()
                mine = rows[self._starts[buckets[number]] :][: len(order)]
                gather_bucket(order, starts[number], into[number], mine, *found)

        self._threads.run(gather)
        users, movies, bits = map(torch.from_numpy, found)
        return users, movies, bits.view(torch.float32)

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
