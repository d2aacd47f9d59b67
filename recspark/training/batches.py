"""What the engine trains on: a rank's ratings, and its part of each step's batch.

In step s a rank takes from each of its buckets the rows that `StepPlan` assigns to the step, in the
bucket's order for that epoch. The order depends on (seed, epoch, bucket) and on the kind of feed,
never on the rank. So the rows of a step are the same for any number of ranks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

Batch = tuple[Tensor, Tensor, Tensor]
"""(user_rows int32 [B], movie_index int32 [B], ratings float32 [B]); B may be 0."""


class Batches(Protocol):
    """The batches of one rank, on the device that trains."""

    def epoch_steps(self, epoch: int, first_step: int = 0) -> Iterator[Batch]:
        """Yield the rank's part of each step of an epoch, `plan.num_steps - first_step` times.

        Only one epoch can run at a time. Skipping steps does not change the later ones.

        Args:
            epoch: The epoch, from 0.
            first_step: Steps to skip at the start.
        """
        ...

    def close(self) -> None:
        """End the current epoch and release files and threads. May be called again."""
        ...


@dataclass(frozen=True)
class Ratings:
    """The ratings of one rank, bucket by bucket in ascending order, on the device that trains.

    They are stored row by row, so that a row taken at random costs one access to memory, not three.
    """

    packed: Tensor
    """int32 [N, 3]: user_rows, movie_index, and the bits of the float32 ratings."""

    @classmethod
    def of(cls, user_rows: Tensor, movie_index: Tensor, ratings: Tensor) -> Ratings:
        """Return columns [N] of int32, int32 and float32 as one."""
        return cls(torch.stack([user_rows, movie_index, ratings.view(torch.int32)], dim=1))

    @property
    def user_rows(self) -> Tensor:
        """int32 [N], rows of the rank's user table."""
        return self.packed[:, 0]

    @property
    def movie_index(self) -> Tensor:
        """int32 [N]."""
        return self.packed[:, 1]

    @property
    def ratings(self) -> Tensor:
        """float32 [N], rating units."""
        return self.packed[:, 2].view(torch.float32)

    def __len__(self) -> int:
        return len(self.packed)

    def take(self, positions: Tensor) -> Batch:
        """Return (user_rows, movie_index, ratings) at positions [B], each [B] and contiguous."""
        users, movies, bits = self.packed.index_select(0, positions).t().contiguous()
        return users, movies, bits.view(torch.float32)
