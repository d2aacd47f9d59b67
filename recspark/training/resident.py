"""The feed that holds a rank's ratings in memory and shuffles them in each epoch."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor

from recspark.arrays.user_buckets import Shard
from recspark.training.batches import Batch, Ratings
from recspark.training.plan import StepPlan

# An epoch is gathered in this many parts. Within a part each bucket is read on its own, and it fits
# in the processor's cache. Gathering step by step would jump through all ratings.
PARTS = 8
RESIDENT_ROW_BYTES = 18
"""Bytes per rating: 12 for itself, 4 for its place in the order, 1.5 for the part read ahead."""


class ResidentBatches:
    """Batches of ratings in memory, each bucket in a random order; all orders are equally likely.

    Memory: RESIDENT_ROW_BYTES per rating.
    """

    def __init__(self, ratings: Ratings, plan: StepPlan, shard: Shard) -> None:
        """Take over a rank's ratings, in the order of `shard.buckets`."""
        self._plan = plan
        self._buckets: list[tuple[int, Batch]] = []
        start = 0
        for bucket in shard.buckets:
            span = slice(start, start + plan.bucket_rows.get(bucket, 0))
            columns = (ratings.user_rows[span], ratings.movie_index[span], ratings.ratings[span])
            self._buckets.append((bucket, columns))
            start = span.stop

    def epoch_steps(self, epoch: int, first_step: int = 0) -> Iterator[Batch]:
        """Yield the rank's part of each step; see `Batches`."""
        orders = [self._order(epoch, bucket, columns) for bucket, columns in self._buckets]
        num_steps = self._plan.num_steps
        steps_per_part = -(-num_steps // PARTS)
        for first in range(first_step, num_steps, steps_per_part):
            yield from self._part(orders, first, min(first + steps_per_part, num_steps))

    def close(self) -> None:
        """Release the ratings."""
        self._buckets = []

    def _order(self, epoch: int, bucket: int, columns: Batch) -> Tensor:
        return self._plan.bucket_order(epoch, bucket).to(columns[0].device)

    def _part(self, orders: list[Tensor], first: int, end: int) -> Iterator[Batch]:
        """Yield the steps from `first` to `end`, `end` excluded."""
        gathered: tuple[list[tuple[Tensor, ...]], ...] = ([], [], [])
        for order, (bucket, columns) in zip(orders, self._buckets, strict=True):
            starts = [self._plan.start(step, bucket) for step in range(first, end + 1)]
            chosen = order[starts[0] : starts[-1]]
            sizes = [after - start for start, after in pairwise(starts)]
            for pieces, column in zip(gathered, columns, strict=True):
                pieces.append(column.index_select(0, chosen).split(sizes))
        users, movies, ratings = gathered
        for step in range(end - first):
            yield (
                torch.cat([pieces[step] for pieces in users]),
                torch.cat([pieces[step] for pieces in movies]),
                torch.cat([pieces[step] for pieces in ratings]),
            )
