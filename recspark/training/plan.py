"""The equal-step plan: the rows of each step, which do not depend on the number of ranks.

An epoch has S = ceil(rows / batch_size) steps, or min_steps if that is more. Step s takes from
every bucket b the rows [floor(s·n_b/S), floor((s+1)·n_b/S)) of the bucket's order in that epoch,
which depends on (seed, epoch, b) alone. So every row comes exactly once, no step is padded and no
tail is dropped. All ranks take the same number of steps, and the rows of a step do not depend on
which rank holds a bucket. On tiny data a rank may hold no row of a step; it then takes part with an
empty batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from recspark.training.seeds import make_generator


@dataclass(frozen=True)
class StepPlan:
    """The steps of every epoch.

    `bucket_rows` is the number of rows of every bucket, over all ranks; empty buckets may be
    missing.
    """

    bucket_rows: Mapping[int, int]
    batch_size: int
    seed: int
    min_steps: int = 1

    @cached_property
    def num_steps(self) -> int:
        """S, the steps in an epoch; never more than there are rows."""
        rows = sum(self.bucket_rows.values())
        return max(-(-rows // self.batch_size), min(self.min_steps, rows))

    def global_rows(self, step: int) -> int:
        """Return the rows of a step, summed over all ranks."""
        return sum(self.start(step + 1, b) - self.start(step, b) for b in self.bucket_rows)

    def start(self, step: int, bucket: int) -> int:
        """Return where a step starts in a bucket's order; for step S, the bucket's row count."""
        return step * self.bucket_rows.get(bucket, 0) // self.num_steps

    def bucket_order(self, epoch: int, bucket: int) -> Tensor:
        """Return the order in which an epoch takes a bucket's rows, int32 [rows]."""
        generator = make_generator(self.seed, "order", epoch, bucket)
        rows = self.bucket_rows.get(bucket, 0)
        return torch.randperm(rows, generator=generator, dtype=torch.int32)

    def epoch_steps(self, epoch: int, buckets: Sequence[int]) -> Iterator[Tensor]:
        """Yield each step's rows of these buckets, int32 [rows of the step], S times.

        Args:
            epoch: The epoch, from 0.
            buckets: A rank's buckets. Row positions run through the buckets in this order.
        """
        pieces, start = [], 0
        for bucket in buckets:
            # In place: at 100 million ratings these are the largest tensors after the data.
            pieces.append((self.bucket_order(epoch, bucket).add_(start), bucket))
            start += self.bucket_rows.get(bucket, 0)
        for step in range(self.num_steps):
            yield torch.cat(
                [order[self.start(step, b) : self.start(step + 1, b)] for order, b in pieces]
            )
