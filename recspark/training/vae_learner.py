"""The learner of mult_vae: batches of whole users, with the softmax over all movies."""

from __future__ import annotations

import torch
from torch import Tensor

from recspark.arrays.user_buckets import Shard
from recspark.config import TrainConfig
from recspark.models.mult_vae import MultVAE
from recspark.models.rated_cells import RatedCells
from recspark.training.clock import Clock
from recspark.training.group import Group
from recspark.training.plan import StepPlan
from recspark.training.user_learner import UserLearner
from recspark.training.user_ratings import UserRatings


class VaeLearner(UserLearner):
    """Minimises the mean over users of −log-likelihood + KL, whose weight rises at the start."""

    def __init__(
        self,
        model: MultVAE,
        plan: StepPlan,
        ratings: UserRatings,
        num_ratings: int,
        shard: Shard,
        settings: TrainConfig,
        group: Group,
    ) -> None:
        """See `UserLearner`; `ratings` are weights, with means of 0."""
        super().__init__(model, plan, ratings, num_ratings, shard, settings, group)
        self._vae = model

    def take_step(
        self, batch: tuple[RatedCells, Tensor], step: int, learning_rate: float, clock: Clock
    ) -> Tensor:
        """See `Learner`; the second sum is 0."""
        cells, means = batch
        rising = self._settings.kl_epochs * self.plan.num_steps
        share = min(1.0, self.num_steps / rising) if rising else 1.0
        with torch.autocast(means.device.type, torch.bfloat16, enabled=self._is_bf16):
            loss = self._vae.loss(cells, share * self._settings.kl_weight)
        (loss / self.plan.global_rows(step)).backward()
        self._descend(learning_rate, clock)
        return torch.stack([loss.detach().double(), loss.new_zeros((), dtype=torch.float64)])
