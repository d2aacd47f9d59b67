"""Learning from batches of ratings, for every model with trained user embeddings."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from recspark.config import TrainConfig
from recspark.models.rating_model import RatingModel
from recspark.training.batches import Batch
from recspark.training.feed import Batches
from recspark.training.group import Group
from recspark.training.learner import Learner
from recspark.training.objective import Objective, bias_extra
from recspark.training.plan import StepPlan
from recspark.training.user_table import UserTable


class RatingLearner(Learner):
    """Takes one backward pass per batch of ratings; updates user rows or the whole user table."""

    def __init__(
        self,
        model: RatingModel,
        table: UserTable,
        plan: StepPlan,
        feed: Batches,
        settings: TrainConfig,
        group: Group,
    ) -> None:
        """Prepare to train `model` and `table` on the batches of `feed`."""
        is_whole = settings.embedding_updates == "table"
        # The objective sees the rows of a batch only, so L2 on whole tables is added here.
        weights = (0.0, None) if is_whole else (settings.reg, settings.bias_reg)
        objective = Objective(model, *weights, is_bf16=settings.precision == "bf16")
        super().__init__(model, table, plan, objective, settings, group)
        self.num_ratings = sum(plan.bucket_rows.values())
        self._feed = feed
        self._table_reg = settings.reg if is_whole else 0.0
        extra = bias_extra(model, settings.reg, settings.bias_reg)
        self._table_bias_extra = extra if is_whole else 0.0

    def batches(self, epoch: int, first_step: int) -> Iterator[Batch]:
        """Yield (user_rows [B], movie_index [B], ratings [B]) of each step."""
        return self._feed.epoch_steps(epoch, first_step)

    def compute(self, batch: Batch, step: int) -> Tensor:
        """Compute the gradients of a step; return this rank's sums [loss, squared error]."""
        user_rows, movie_index, ratings = batch
        self.seen_users[user_rows.long()] = True
        self.seen_movies[movie_index.long()] = True
        self.optimiser.zero_grad(set_to_none=True)
        loss, squares = self._objective(self.table.gather(user_rows), movie_index, ratings)
        (loss / self.plan.global_rows(step)).backward()
        self._group.sum_gradients(self.gradients())
        if self._table_reg or self._table_bias_extra:
            self._penalise_tables()
        return torch.stack([loss.detach(), squares]).double()

    def _penalise_tables(self) -> None:
        """Add the gradient of L2 on both tables.

        Called when gradients are already summed over the ranks, so that L2 counts once.
        """
        movies = self.model.get_parameter("movies")
        for rows, gradient in ((self.table.rows, self.table.gradient), (movies, movies.grad)):
            assert gradient is not None
            gradient.add_(rows.detach(), alpha=2 * self._table_reg)
            if self._table_bias_extra:
                gradient[:, -1].add_(rows.detach()[:, -1], alpha=2 * self._table_bias_extra)

    def user_gradient(self) -> Tensor:
        """Return the gradient of the rank's users in the step, [D, U]."""
        return self.table.gradient

    def update(self, learning_rate: float) -> None:
        """Update the module and the users."""
        super().update(learning_rate)
        self.table.update(learning_rate)

    def user_rows(self) -> Tensor:
        """Return the trained embeddings."""
        return self.table.rows
