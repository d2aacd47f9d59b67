"""The equal-step plan: which rows make up each step, whatever the number of ranks.

An epoch has S = ceil(rows / batch_size) steps. Step s takes from every bucket b the rows
perm_b[floor(s·n_b/S) : floor((s+1)·n_b/S)], where perm_b depends on (seed, epoch, b) alone. So
every row comes exactly once, no step is padded and no tail is dropped; all ranks take equally many
steps, and which rank holds a bucket has no influence on what a step consists of. On tiny data a
rank may hold no row of a step; it takes part with an empty batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from recspark.training.seeds import make_generator


@dataclass(frozen=True)
class StepPlan:
    """The steps of every epoch.

    `bucket_rows` are the rows of every bucket of all ranks; buckets without rows may be left out.
    """

    bucket_rows: Mapping[int, int]
    batch_size: int
    seed: int

    @property
    def num_steps(self) -> int:
        """S, steps in an epoch."""
        return -(-sum(self.bucket_rows.values()) // self.batch_size)

    def global_rows(self, step: int) -> int:
        """Return the rows of a step, summed over all ranks."""
        spans = (self._span(step, rows) for rows in self.bucket_rows.values())
        return sum(end - start for start, end in spans)

    def epoch_steps(self, epoch: int, buckets: Sequence[int]) -> Iterator[Tensor]:
        """Yield each step's rows of these buckets, int32 [rows of the step], S times.

        Args:
            epoch: Which epoch, from 0.
            buckets: A rank's buckets. Positions count through their rows in this order.
        """
        pieces, start = [], 0
        for bucket in buckets:
            rows = self.bucket_rows.get(bucket, 0)
            generator = make_generator(self.seed, "order", epoch, bucket)
            # In place: at 100 million ratings these are the largest tensors beside the data.
            shuffled = torch.randperm(rows, generator=generator, dtype=torch.int32).add_(start)
            pieces.append((shuffled, rows))
            start += rows
        for step in range(self.num_steps):
            yield torch.cat([order[slice(*self._span(step, rows))] for order, rows in pieces])

    def _span(self, step: int, rows: int) -> tuple[int, int]:
        return step * rows // self.num_steps, (step + 1) * rows // self.num_steps
