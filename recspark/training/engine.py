"""Epochs: steps, validation, early stop, the best epoch's weights.

Shape legend: B rows of a rank's part of a step, U columns of the user table.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from recspark.config import TrainConfig
from recspark.errors import TrainingError, describe
from recspark.models.rating_model import RatingModel
from recspark.training.feed import Ratings
from recspark.training.group import Group
from recspark.training.objective import Objective, squared_error
from recspark.training.plan import StepPlan
from recspark.training.shard import Shard
from recspark.training.user_table import BETAS, EPSILON, UserTable

# Steps between two looks at whether the loss is still a number (the look waits for all ranks).
CHECK_STEPS = 100

# Called on every rank with (epoch, steps done, steps an epoch, rows a second, finished epochs).
OnProgress = Callable[[int, int, int, float, list[dict[str, Any]]], None]


@dataclass
class Fit:
    """What training came to: weights of the best epoch, and the history of all."""

    user_rows: Tensor
    """[R, U], the rank's users."""
    model_state: dict[str, Tensor]
    best_epoch: int = -1
    valid_rmse: float | None = None
    history: list[dict[str, Any]] = field(default_factory=list)

    def is_better(self, valid_rmse: float | None) -> bool:
        """Return whether an epoch's weights should replace the kept ones."""
        return valid_rmse is None or self.valid_rmse is None or valid_rmse < self.valid_rmse


def fit_model(
    model: RatingModel,
    table: UserTable,
    train: Ratings,
    valid: Ratings,
    *,
    settings: TrainConfig,
    plan: StepPlan,
    shard: Shard,
    group: Group,
    on_progress: OnProgress,
) -> Fit:
    """Train until `epochs` are done or `patience` epochs brought no better validation RMSE.

    All ranks call it together and stop together, because they decide by the same summed figures.
    Validation RMSE is of predictions before clipping. Without validation rows the last epoch's
    weights are kept and nothing stops early.

    Args:
        model: The module, the same on every rank, on the group's device.
        table: The rank's users, on the group's device.
        train: The rank's training ratings.
        valid: The rank's validation ratings.
        settings: The train section.
        plan: The steps of an epoch.
        shard: The rank's buckets.
        group: The ranks.
        on_progress: Told now and then how far training is.

    Raises:
        TrainingError: The loss is no longer a finite number; raised on every rank.
    """
    wrapped = group.wrap(Objective(model, settings.reg))
    optimiser = torch.optim.Adam(model.parameters(), betas=BETAS, eps=EPSILON)
    fit = Fit(torch.empty_like(table.rows), {})
    for epoch in range(settings.epochs):
        started = time.perf_counter()
        learning_rate = settings.learning_rate * settings.learning_rate_decay**epoch
        for options in optimiser.param_groups:
            options["lr"] = learning_rate
        sums = torch.zeros(2, dtype=torch.float64)
        unchecked: list[Tensor] = []
        rows_done, speed = 0, 0.0
        for step, positions in enumerate(plan.epoch_steps(epoch, shard.buckets)):
            rows = plan.global_rows(step)
            batch = train.take(positions.to(group.device))
            unchecked.append(_take_step(wrapped, optimiser, table, batch, rows, learning_rate))
            if len(unchecked) == CHECK_STEPS or step + 1 == plan.num_steps:
                losses = group.sum(torch.stack(unchecked)).cpu()
                _check_finite(losses, epoch, step + 1 - len(losses), learning_rate)
                sums += losses.sum(dim=0)
                unchecked = []
            rows_done += rows
            speed = rows_done / (time.perf_counter() - started)
            on_progress(epoch, step + 1, plan.num_steps, speed, fit.history)
        valid_rmse = measure_rmse(model, table.rows, valid, settings.batch_size, group)
        loss, squares = (sums / rows_done).tolist()
        fit.history.append(
            {
                "epoch": epoch,
                "train_loss": loss,
                "train_rmse": math.sqrt(squares),
                "valid_rmse": valid_rmse,
                "learning_rate": learning_rate,
                "rows_per_second": round(speed),
                "seconds": round(time.perf_counter() - started, 3),
            }
        )
        on_progress(epoch, plan.num_steps, plan.num_steps, speed, fit.history)
        if fit.is_better(valid_rmse):
            fit.best_epoch, fit.valid_rmse = epoch, valid_rmse
            fit.user_rows.copy_(table.rows)
            fit.model_state = {name: t.detach().clone() for name, t in model.state_dict().items()}
        elif epoch - fit.best_epoch >= settings.patience:
            break
    return fit


def _take_step(
    wrapped: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
    table: UserTable,
    batch: tuple[Tensor, Tensor, Tensor],
    global_rows: int,
    learning_rate: float,
) -> Tensor:
    """Take one step and return this rank's sums of [loss, squared error], float64 [2]."""
    user_rows, movie_index, ratings = batch
    which, leaf, values = table.gather(user_rows)
    optimiser.zero_grad(set_to_none=True)
    loss, squares = wrapped(values, movie_index, ratings)
    (loss / global_rows).backward()
    optimiser.step()
    assert leaf.grad is not None
    table.update(which, leaf.grad, learning_rate)
    return torch.stack([loss.detach(), squares]).double()


def _check_finite(losses: Tensor, epoch: int, first_step: int, learning_rate: float) -> None:
    broken = (~losses[:, 0].isfinite()).nonzero()
    if len(broken):
        raise TrainingError(
            describe(
                f"training, epoch {epoch}, step {first_step + int(broken[0])}",
                found=f"a loss of {float(losses[broken[0], 0])} at learning rate {learning_rate:g}",
                expected="a finite number",
                remedy="Lower train.learning_rate or train.init_std, or raise train.batch_size.",
            )
        )


def measure_rmse(
    model: RatingModel, user_rows: Tensor, ratings: Ratings, batch_size: int, group: Group
) -> float | None:
    """Return the RMSE over all ranks' ratings, before clipping; None where there are none."""
    sums = torch.zeros(2, dtype=torch.float64, device=group.device)
    for start in range(0, len(ratings), batch_size):
        span = slice(start, start + batch_size)
        users = torch.nn.functional.embedding(ratings.user_rows[span], user_rows)
        sums[0] += squared_error(model, users, ratings.movie_index[span], ratings.ratings[span])
    sums[1] = len(ratings)
    squares, count = group.sum(sums).tolist()
    return math.sqrt(squares / count) if count else None
