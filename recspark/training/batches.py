"""What the engine trains on: a rank's ratings, and its part of each step's batch.

In step s a rank takes from each of its buckets the rows that `StepPlan` assigns to the step, in the
bucket's order for that epoch. The order depends on (seed, epoch, bucket) and on the kind of feed,
never on the rank. So the rows of a step are the same for any number of ranks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

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
    """The ratings of one rank, bucket by bucket in ascending order, on the device that trains."""

    user_rows: Tensor
    """int32 [N], rows of the rank's user table."""
    movie_index: Tensor
    """int32 [N]"""
    ratings: Tensor
    """float32 [N], rating units."""

    def __len__(self) -> int:
        return len(self.ratings)

    def take(self, positions: Tensor) -> Batch:
        """Return (user_rows, movie_index, ratings) at int32 positions [B], each [B]."""
        return (
            self.user_rows.index_select(0, positions),
            self.movie_index.index_select(0, positions),
            self.ratings.index_select(0, positions),
        )
