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

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from recspark.training.order import random_order

CPU = torch.device("cpu")


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
        counts = self._counts
        return int(((step + 1) * counts // self.num_steps - step * counts // self.num_steps).sum())

    def start(self, step: int, bucket: int) -> int:
        """Return where a step starts in a bucket's order; for step S, the bucket's row count."""
        return step * self.bucket_rows.get(bucket, 0) // self.num_steps

    def bucket_order(self, epoch: int, bucket: int, device: torch.device = CPU) -> Tensor:
        """Return the order in which an epoch takes a bucket's rows, int32 [rows]."""
        rows = self.bucket_rows.get(bucket, 0)
        return random_order(rows, device, self.seed, "order", epoch, bucket)

    def epoch_steps(self, epoch: int, buckets: Sequence[int]) -> Iterator[Tensor]:
        """Yield each step's rows of these buckets, int32 [rows of the step], S times.

        Args:
            epoch: The epoch, from 0.
            buckets: A rank's buckets. Row positions run through the buckets in this order.
        """
        pieces, start = [], 0
        for bucket in buckets:
            pieces.append((self.bucket_order(epoch, bucket).add_(start), bucket))
            start += self.bucket_rows.get(bucket, 0)
        for step in range(self.num_steps):
            yield torch.cat(
                [order[self.start(step, b) : self.start(step + 1, b)] for order, b in pieces]
            )

    @cached_property
    def _counts(self) -> npt.NDArray[np.int64]:
        return np.array(list(self.bucket_rows.values()), np.int64)
