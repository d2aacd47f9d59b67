"""The training loop: steps, validation, early stopping, checkpoints, the best epoch's weights.

One seed gives the same model on any number of ranks, with two exceptions. The sums over the rows of
a step are added in another order, so rounding differs: RMSE agrees within 0.001 for factor models.
And each rank draws the dropout masks of its own rows, so that with dropout another number of ranks
acts like another seed for the masks: RMSE agrees within 0.005. Batch norm uses the rows of all
ranks together. (`train.feed auto` asks whether a rank's ratings fit in memory. With more ranks it
may choose the other feed, and then rows come in another order.)

Shape legend: R users of the rank, U columns of the user table.
"""

from __future__ import annotations

import math
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from recspark.arrays.user_buckets import Shard
from recspark.config import TrainConfig
from recspark.errors import TrainingError, describe
from recspark.models.rating_model import RatingModel
from recspark.training.checkpoint import Checkpoints, Position
from recspark.training.feed import Ratings
from recspark.training.group import Group
from recspark.training.learner import Learner
from recspark.training.schedule import step_size
from recspark.training.seeds import seed_everything
from recspark.training.snapshot import BestWeights, restore, take_snapshot

# Steps between two checks that the loss is finite (each check waits for all ranks).
CHECK_STEPS = 100
EVALUATE_ROWS = 65536

# Called on every rank: (epoch, steps done, steps per epoch, rows per second, finished epochs).
OnProgress = Callable[[int, int, int, float, list[dict[str, Any]]], None]


@dataclass
class EpochTimer:
    """Seconds that this rank spent on each part of an epoch."""

    started: float = field(default_factory=time.perf_counter)
    feed: float = 0.0
    compute: float = 0.0
    update: float = 0.0


class Engine:
    """Trains a learner's model; all ranks run it together and stop together."""

    def __init__(
        self,
        learner: Learner,
        valid: Ratings,
        *,
        settings: TrainConfig,
        seed: int,
        shard: Shard,
        group: Group,
        checkpoints: Checkpoints,
        on_progress: OnProgress,
        train_path: str,
    ) -> None:
        """Prepare to train.

        Args:
            learner: Takes the steps.
            valid: The rank's validation ratings.
            settings: The train section.
            seed: Seed of dropout; each step derives its own, so a resumed run repeats them.
            shard: The rank's buckets.
            group: The ranks.
            checkpoints: The model's checkpoints.
            on_progress: Called after each step and each epoch.
            train_path: The train data set, for messages.
        """
        self._learner, self._valid, self._settings = learner, valid, settings
        self._seed, self._shard, self._group = seed, shard, group
        self._checkpoints, self._on_progress = checkpoints, on_progress
        self._train_path = train_path
        self.position = Position()
        self.best = BestWeights(torch.empty_like(learner.table.rows))

    def resume(self) -> None:
        """Continue from the newest complete checkpoint, if there is one."""
        found = self._checkpoints.load(self._shard, self._group)
        if found is not None:
            self.position, snapshot = found
            restore(snapshot, self._learner, self.best)
            self._learner.table.num_steps = self.position.optimiser_steps

    def fit(self) -> None:
        """Train for `epochs`, or until `patience` epochs have not improved the validation RMSE.

        Validation RMSE is measured before clipping. Without validation rows training runs to the
        end and keeps the last epoch's weights. Afterwards `best` holds the weights.

        Raises:
            TrainingError: The loss is no longer a finite number; raised on every rank.
        """
        while not self._is_over():
            self._run_epoch()
            if not self._is_over():
                self._save()

    def _is_over(self) -> bool:
        at, settings = self.position, self._settings
        num_worse = at.epoch - 1 - at.best_epoch if at.best_epoch >= 0 else 0
        return at.epoch >= settings.epochs or num_worse >= settings.patience

    def _run_epoch(self) -> None:
        learner, at, plan = self._learner, self.position, self._learner.plan
        timer, waited, rows_done = EpochTimer(), self._group.seconds, 0
        unchecked: list[Tensor] = []
        learner.model.train()
        batches = learner.batches(at.epoch, at.step)
        for step in range(at.step, plan.num_steps):
            rate = step_size(self._settings, at.epoch, step, plan.num_steps)
            unchecked.append(self._take_step(batches, step, rate, timer))
            at.step, at.optimiser_steps = step + 1, at.optimiser_steps + 1
            rows_done += plan.global_rows(step)
            is_saved = self._settings.checkpoint_steps and (
                at.step % self._settings.checkpoint_steps == 0 and at.step < plan.num_steps
            )
            if len(unchecked) == CHECK_STEPS or at.step == plan.num_steps or is_saved:
                losses = self._group.sum(torch.stack(unchecked)).cpu()
                self._check_finite(losses, rate)
                at.sums = (torch.tensor(at.sums, dtype=torch.float64) + losses.sum(dim=0)).tolist()
                unchecked = []
            if is_saved:
                self._save()
            speed = rows_done / (time.perf_counter() - timer.started)
            self._on_progress(at.epoch, at.step, plan.num_steps, speed, at.history)
        speed = rows_done / (time.perf_counter() - timer.started)
        waited = self._group.seconds - waited
        valid_rmse = measure_rmse(learner.model, learner.user_rows(), self._valid, self._group)
        self._end_epoch(valid_rmse, speed, timer, waited)

    def _take_step(self, batches: Any, step: int, rate: float, timer: EpochTimer) -> Tensor:
        seed_everything(self._seed, "step", self.position.epoch, step, self._group.rank)
        times = [time.perf_counter()]
        batch = next(batches)
        times.append(time.perf_counter())
        sums = self._learner.compute(batch, step)
        times.append(time.perf_counter())
        if self._settings.clip_norm is not None:
            clip_gradients(self._learner, self._settings.clip_norm, self._group)
        self._learner.update(rate)
        times.append(time.perf_counter())
        timer.feed += times[1] - times[0]
        timer.compute += times[2] - times[1]
        timer.update += times[3] - times[2]
        return sums

    def _end_epoch(
        self, valid_rmse: float | None, speed: float, timer: EpochTimer, waited: float
    ) -> None:
        at, learner = self.position, self._learner
        loss, squares = (total / max(learner.num_ratings, 1) for total in at.sums)
        peak = torch.tensor([resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024])
        at.history.append(
            {
                "epoch": at.epoch,
                "train_loss": loss,
                "train_rmse": math.sqrt(squares),
                "valid_rmse": valid_rmse,
                "learning_rate": learner.optimiser.param_groups[0]["lr"],
                "rows_per_second": round(speed),
                "seconds": round(time.perf_counter() - timer.started, 3),
                "seconds_feed": round(timer.feed, 3),
                "seconds_forward_backward": round(max(timer.compute - waited, 0.0), 3),
                "seconds_optimiser": round(timer.update, 3),
                "seconds_communication": round(waited, 3),
                "peak_memory_mib": round(float(self._group.max(peak))),
            }
        )
        is_better = valid_rmse is None or at.valid_rmse is None or valid_rmse < at.valid_rmse
        if is_better:
            at.best_epoch, at.valid_rmse = at.epoch, valid_rmse
            self.best.user_rows.copy_(learner.user_rows())
            state = learner.model.state_dict()
            self.best.model_state = {name: t.detach().clone() for name, t in state.items()}
        at.epoch, at.step, at.sums = at.epoch + 1, 0, [0.0, 0.0]
        steps = learner.plan.num_steps
        self._on_progress(at.epoch - 1, steps, steps, speed, at.history)

    def _save(self) -> None:
        snapshot = take_snapshot(self._learner, self.best, self._group)
        self._checkpoints.save(self.position, snapshot, self._shard, self._group)

    def _check_finite(self, losses: Tensor, rate: float) -> None:
        broken = (~losses[:, 0].isfinite()).nonzero()
        if len(broken):
            step = self.position.step - len(losses) + int(broken[0])
            raise TrainingError(
                describe(
                    f"training on {self._train_path}, epoch {self.position.epoch + 1}, step {step}",
                    found=f"a loss of {float(losses[broken[0], 0])} at learning rate {rate:g}",
                    expected="a finite number",
                    remedy="Lower train.learning_rate or train.init_scale, set train.clip_norm, or "
                    "raise train.batch_size.",
                )
            )


def clip_gradients(learner: Learner, limit: float, group: Group) -> None:
    """Scale the gradients of the module and all ranks' users to a joint norm of at most `limit`."""
    users = learner.user_gradient()
    total = group.sum(users.double().square().sum())
    total += sum(gradient.double().square().sum() for gradient in learner.gradients())
    scale = min(1.0, limit / (math.sqrt(float(total)) + 1e-12))
    if scale < 1.0:
        for gradient in (users, *learner.gradients()):
            gradient.mul_(scale)


@torch.no_grad()
def measure_rmse(
    model: RatingModel, user_rows: Tensor, ratings: Ratings, group: Group
) -> float | None:
    """Return the RMSE over all ranks' ratings, before clipping; None if there are none."""
    model.eval()
    sums = torch.zeros(2, dtype=torch.float64, device=group.device)
    for start in range(0, len(ratings), EVALUATE_ROWS):
        span = slice(start, start + EVALUATE_ROWS)
        users = torch.nn.functional.embedding(ratings.user_rows[span], user_rows)
        error = model(users, ratings.movie_index[span]) - ratings.ratings[span]
        sums[0] += error.double().square().sum()
    sums[1] = len(ratings)
    squares, count = group.sum(sums).tolist()
    return math.sqrt(squares / count) if count else None
