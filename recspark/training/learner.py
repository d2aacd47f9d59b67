"""Learners take the steps of an epoch: each step updates the module and the users.

The engine handles epochs, validation and checkpoints; a learner handles batches. There are seven:
one in compiled loops for matrix factorisation on the CPU, one by autograd for every model with
trained user embeddings, two for autoencoders, which take whole users, and three that solve for
whole rows or draw them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from recspark.arrays.user_buckets import Shard
from recspark.models.rating_model import RatingModel
from recspark.training.batches import Ratings
from recspark.training.clock import Clock
from recspark.training.group import Group
from recspark.training.list_sample import ListSample
from recspark.training.plan import StepPlan

# Ratings predicted at a time.
PIECE = 65_536


@dataclass(frozen=True)
class Memory:
    """The state of the optimisers by name, as a checkpoint keeps it.

    Attributes:
        users: [R, U] each, of the rank's users.
        shared: Of the module, the same on every rank.
    """

    users: Mapping[str, Tensor] = field(default_factory=dict)
    shared: Mapping[str, Tensor] = field(default_factory=dict)


class Learner(ABC):
    """A model, its users and their optimisers, and the batches for training them.

    Attributes:
        model: The module, the same on every rank.
        rows: [R, U], the rank's users.
        plan: The steps of an epoch.
        num_ratings: Ratings in an epoch, over all ranks.
        num_steps: Steps taken so far.
        seen_users: bool [R], the rank's users with a rating in a batch so far.
        seen_movies: bool [M], the movies with a rating in one of this rank's batches so far.
    """

    num_ratings: int
    lists: ListSample | None = None
    """Whose lists judge the model, if it ranks and predicts no ratings."""
    keeps_last: ClassVar[bool] = False
    """Whether the last epoch is kept, not the best one on valid, and nothing stops early."""

    def __init__(self, model: RatingModel, rows: Tensor, plan: StepPlan, group: Group) -> None:
        """Keep the parts."""
        self.model, self.rows, self.plan = model, rows, plan
        self.num_steps = 0
        self.seen_users = torch.zeros(len(rows), dtype=torch.bool, device=group.device)
        self.seen_movies = torch.zeros(model.spec.num_movies, dtype=torch.bool, device=group.device)
        self._group = group

    @abstractmethod
    def batches(self, epoch: int, first_step: int) -> Iterator[Any]:
        """Yield the batch of each step of the epoch from `first_step` on, for `take_step`."""

    @abstractmethod
    def take_step(self, batch: Any, step: int, learning_rate: float, clock: Clock) -> Tensor:
        """Update module and users by one batch.

        Args:
            batch: From `batches`.
            step: Within the epoch.
            learning_rate: Step size.
            clock: Told the time of each part.

        Returns:
            This rank's sums [loss, squared error in rating units], float64, before the update.
        """

    def user_rows(self) -> Tensor:
        """Return the rows of the rank's users as scoring needs them, [R, U]."""
        return self.rows.detach()

    @torch.no_grad()
    def predictions(self, ratings: Ratings, user_rows: Tensor) -> Iterator[Tensor]:
        """Yield predictions in rating units, not clipped, PIECE ratings at a time.

        Args:
            ratings: This rank's ratings of valid.
            user_rows: [R, U], what `user_rows` returned.
        """
        model = self.model.eval()
        for start in range(0, len(ratings), PIECE):
            span = slice(start, start + PIECE)
            users, movies = ratings.user_rows[span].long(), ratings.movie_index[span].long()
            yield model(functional.embedding(users, user_rows), movies)

    def save_more(self, folder: str, shard: Shard) -> None:  # noqa: B027
        """Write what belongs to the model besides its module and the users' rows: nothing here.

        All ranks call it together, at the end.

        Args:
            folder: The model's folder.
            shard: The rank's buckets.
        """

    @abstractmethod
    def memory(self) -> Memory:
        """Return the state of the optimisers; the tensors may change with the next step."""

    @abstractmethod
    def load_memory(self, memory: Memory) -> None:
        """Restore a state that `memory` returned; `num_steps` is set already."""
