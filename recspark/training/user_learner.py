"""Learning from batches of whole users, for autoencoders, which encode users and train no rows.

Shape legend: B users of a batch, M movies.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from recspark.arrays.user_buckets import Shard
from recspark.config import TrainConfig
from recspark.models.autorec import AutoRec
from recspark.models.rated_cells import RatedCells
from recspark.training.clock import Clock
from recspark.training.gradient_learner import GradientLearner
from recspark.training.group import Group
from recspark.training.plan import StepPlan
from recspark.training.precision import is_bf16
from recspark.training.user_ratings import UserRatings

# Users encoded at a time after an epoch.
ENCODE_USERS = 512


class UserLearner(GradientLearner):
    """Passes a batch of users through the autoencoder; the loss is over their rated cells."""

    def __init__(
        self,
        model: AutoRec,
        plan: StepPlan,
        ratings: UserRatings,
        num_ratings: int,
        shard: Shard,
        settings: TrainConfig,
        group: Group,
    ) -> None:
        """Prepare to train `model`.

        `ratings` are this rank's, `num_ratings` counts those of all ranks.
        """
        rows = torch.zeros(shard.num_rows, model.user_width, device=group.device)
        super().__init__(model, rows, plan, settings, group)
        self.num_ratings = num_ratings
        self.seen_users = (ratings.starts[1:] > ratings.starts[:-1]).to(group.device)
        self.seen_movies[ratings.movies.long()] = True
        self._ratings, self._shard = ratings, shard
        self._autorec = model
        self._is_bf16 = is_bf16(model, settings, group.device)

    def batches(self, epoch: int, first_step: int) -> Iterator[tuple[RatedCells, Tensor]]:
        """Yield (rated cells, means [B]) of each step."""
        steps = self.plan.epoch_steps(epoch, self._shard.buckets)
        for step, users in enumerate(steps):
            if step >= first_step:
                yield self._ratings.cells(users)

    def take_step(
        self, batch: tuple[RatedCells, Tensor], step: int, learning_rate: float, clock: Clock
    ) -> Tensor:
        """See `Learner`."""
        cells, means = batch
        count = self._group.sum(torch.full((), float(len(cells.ratings)), device=means.device))
        with torch.autocast(means.device.type, torch.bfloat16, enabled=self._is_bf16):
            user_rows = self._autorec.encode(cells, means)
        squares = (self._autorec.decode(user_rows, cells) - cells.ratings).square().sum()
        (squares / count.clamp_min(1)).backward()
        self._descend(learning_rate, clock)
        return squares.detach().double().expand(2)

    def _user_squares(self) -> Tensor:
        return torch.zeros((), dtype=torch.float64, device=self._group.device)

    def _update_users(self, learning_rate: float, scale: Tensor | None) -> None:
        """Users are encoded, not learned."""

    @torch.no_grad()
    def user_rows(self) -> Tensor:
        """Return the encodings of the rank's users by the current module."""
        self._autorec.eval()
        for users in torch.arange(len(self.rows)).split(ENCODE_USERS):
            self.rows[users[0] : users[-1] + 1] = self._autorec.encode(*self._ratings.cells(users))
        return self.rows
