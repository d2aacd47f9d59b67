"""Learning from batches of whole users, for autoencoders, which encode users and train no rows.

Shape legend: B users of a batch, M movies, R users of the rank, N ratings of the rank.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from recspark.arrays.user_buckets import Shard
from recspark.config import TrainConfig
from recspark.models.autorec import AutoRec
from recspark.training.clock import Clock
from recspark.training.feed import Ratings
from recspark.training.gradient_learner import GradientLearner
from recspark.training.group import Group
from recspark.training.objective import CellObjective
from recspark.training.plan import StepPlan

# Users encoded at a time after an epoch: memory holds [ENCODE_USERS, M] float32.
ENCODE_USERS = 512


@dataclass(frozen=True)
class UserRatings:
    """The rank's ratings, grouped by user.

    Attributes:
        starts: int64 [R + 1], where each user's ratings begin; the last entry is N.
        movies: int64 [N].
        ratings: float32 [N].
        means: float32 [R], mean rating of each user; the overall mean for users without ratings.
    """

    starts: Tensor
    movies: Tensor
    ratings: Tensor
    means: Tensor

    @classmethod
    def of(cls, found: Ratings, num_users: int, rating_mean: float) -> UserRatings:
        """Return the ratings grouped by user; `found` is not needed afterwards."""
        order = torch.argsort(found.user_rows, stable=True)
        counts = torch.bincount(found.user_rows.long(), minlength=num_users)
        sums = torch.zeros(num_users, dtype=torch.float64, device=counts.device)
        sums.index_add_(0, found.user_rows.long(), found.ratings.double())
        means = torch.where(counts > 0, sums / counts.clamp_min(1), rating_mean).float()
        starts = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        return cls(starts, found.movie_index[order].long(), found.ratings[order], means)

    def rows(self, users: Tensor, num_movies: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return (centred [B, M], means [B], is_rated bool [B, M]) of some users [B]."""
        counts = self.starts[users + 1] - self.starts[users]
        row = torch.repeat_interleave(torch.arange(len(users), device=users.device), counts)
        first = torch.repeat_interleave(self.starts[users] - (counts.cumsum(0) - counts), counts)
        cells = first + torch.arange(len(row), device=users.device)
        means = self.means[users]
        centred = torch.zeros(len(users), num_movies, device=users.device)
        is_rated = torch.zeros(len(users), num_movies, dtype=torch.bool, device=users.device)
        centred[row, self.movies[cells]] = self.ratings[cells] - means[row]
        is_rated[row, self.movies[cells]] = True
        return centred, means, is_rated


class UserLearner(GradientLearner):
    """Passes a batch of users through the autoencoder; the loss is over their rated cells."""

    def __init__(
        self,
        model: AutoRec,
        plan: StepPlan,
        ratings: UserRatings,
        shard: Shard,
        settings: TrainConfig,
        group: Group,
    ) -> None:
        """Prepare to train `model`."""
        rows = torch.zeros(shard.num_rows, model.user_width, device=group.device)
        super().__init__(model, rows, plan, settings, group)
        self._objective = CellObjective(model, is_bf16=settings.precision == "bf16")
        self.num_ratings = int(group.sum(torch.tensor([len(ratings.ratings)])))
        self.seen_users = ratings.starts[1:] > ratings.starts[:-1]
        self.seen_movies[ratings.movies] = True
        self._ratings, self._shard = ratings, shard
        self._autorec = model
        self._num_movies = model.spec.num_movies

    def batches(self, epoch: int, first_step: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield (centred [B, M], means [B], is_rated [B, M]) of each step."""
        steps = self.plan.epoch_steps(epoch, self._shard.buckets)
        for step, users in enumerate(steps):
            if step >= first_step:
                yield self._ratings.rows(users.long().to(self._group.device), self._num_movies)

    def take_step(
        self,
        batch: tuple[Tensor, Tensor, Tensor],
        step: int,
        learning_rate: float,
        clock: Clock,
    ) -> Tensor:
        """See `Learner`."""
        cells = self._group.sum(batch[2].sum())
        loss, squares = self._objective(*batch)
        self._descend(loss / cells.clamp_min(1), learning_rate, clock)
        return torch.stack([loss.detach(), squares]).double()

    def _user_squares(self) -> Tensor:
        return torch.zeros((), dtype=torch.float64, device=self._group.device)

    def _update_users(self, learning_rate: float, scale: Tensor | None) -> None:
        """Users are encoded, not learned."""

    @torch.no_grad()
    def user_rows(self) -> Tensor:
        """Return the encodings of the rank's users by the current module."""
        self._autorec.eval()
        everyone = torch.arange(len(self.rows), device=self._group.device)
        for users in everyone.split(ENCODE_USERS):
            centred, means, _ = self._ratings.rows(users, self._num_movies)
            self.rows[users] = self._autorec.encode(centred, means)
        return self.rows
