"""Learners take the steps of an epoch: gradients of the module and the users, and their updates.

The engine handles epochs, validation and checkpoints; a learner handles batches. There are two
learners: one takes ratings, for embedding models, the other whole users, for autoencoders.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, cast

import torch
from torch import Tensor, nn

from recspark.config import TrainConfig
from recspark.models.rating_model import RatingModel
from recspark.training.group import Group
from recspark.training.plan import StepPlan
from recspark.training.user_table import BETAS, EPSILON, UserTable


class Learner(ABC):
    """A model, its users, the optimiser of each, and the batches for training them.

    Attributes:
        model: The module, the same on every rank.
        table: The rank's users.
        plan: The steps of an epoch.
        optimiser: The optimiser of the module's parameters.
        num_ratings: Ratings in an epoch, over all ranks.
        seen_users: bool [R], the rank's users with a rating in a batch so far.
        seen_movies: bool [M], the movies with a rating in one of this rank's batches so far.
    """

    num_ratings: int

    def __init__(
        self,
        model: RatingModel,
        table: UserTable,
        plan: StepPlan,
        objective: nn.Module,
        settings: TrainConfig,
        group: Group,
    ) -> None:
        """Make the module's optimiser."""
        self.model, self.table, self.plan = model, table, plan
        self.optimiser = make_optimiser(model, settings)
        self.seen_users = torch.zeros(len(table.rows), dtype=torch.bool, device=group.device)
        self.seen_movies = torch.zeros(model.spec.num_movies, dtype=torch.bool, device=group.device)
        self._objective = objective
        self._settings, self._group = settings, group

    @abstractmethod
    def batches(self, epoch: int, first_step: int) -> Iterator[Any]:
        """Yield the batch of each step of the epoch from `first_step` on, for `compute`."""

    @abstractmethod
    def compute(self, batch: Any, step: int) -> Tensor:
        """Compute the gradients of a step; return this rank's float64 [loss, squared error]."""

    @abstractmethod
    def user_rows(self) -> Tensor:
        """Return the rows of the rank's users as scoring needs them, [R, U]."""

    def update(self, learning_rate: float) -> None:
        """Update the module and the users by the gradients of the last `compute`."""
        for options in self.optimiser.param_groups:
            options["lr"] = learning_rate
        self.optimiser.step()

    def user_gradient(self) -> Tensor:
        """Return the gradient of the rank's users; empty if users are not trained."""
        return torch.zeros(0, device=self._group.device)

    def gradients(self) -> list[Tensor]:
        """Return the module's gradients; zeros for parameters that this rank's rows did not use."""
        for parameter in self.model.parameters():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        return [cast(Tensor, parameter.grad) for parameter in self.model.parameters()]


def make_optimiser(model: RatingModel, settings: TrainConfig) -> torch.optim.Optimizer:
    """Return Adam or SGD over the module, with `weight_decay` on the weights of its dense layers.

    An autoencoder's movie table counts as its last dense layer.

    torch adds weight_decay · w to the gradient; the gradient of an L2 term λ·w² is twice that.
    """
    dense: list[Tensor] = [m.weight for m in model.modules() if isinstance(m, nn.Linear)]
    if model.encodes_users:
        dense.append(model.get_parameter("movies"))
    ids = {id(weight) for weight in dense}
    others = [p for p in model.parameters() if id(p) not in ids]
    groups = [
        {"params": dense, "weight_decay": 2 * settings.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    groups = [one for one in groups if one["params"]]
    if settings.optimizer == "sgd":
        return torch.optim.SGD(
            groups, lr=settings.learning_rate, momentum=settings.momentum, fused=True
        )
    return torch.optim.Adam(groups, lr=settings.learning_rate, betas=BETAS, eps=EPSILON, fused=True)
