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
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import torch
from torch import Tensor

from recspark.arrays.user_buckets import Shard
from recspark.config import TrainConfig
from recspark.errors import TrainingError, describe
from recspark.training.checkpoint import Checkpoints, Position
from recspark.training.clock import PARTS, Clock
from recspark.training.feed import Ratings
from recspark.training.group import Group
from recspark.training.learner import Learner
from recspark.training.measure import Measured, measure
from recspark.training.schedule import step_size
from recspark.training.seeds import seed_everything
from recspark.training.snapshot import BestWeights, restore, take_snapshot

# Steps between two checks that the loss is finite (each check waits for all ranks).
CHECK_STEPS = 100

DIVERGED = (
    "Lower train.learning_rate or train.init_scale, set train.clip_norm, or raise train.batch_size."
)

# Called on every rank: (epoch, steps done, steps per epoch, rows per second, finished epochs).
OnProgress = Callable[[int, int, int, float, list[dict[str, Any]]], None]


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
        stop_after: int | None = None,
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
            stop_after: Epochs after which training ends, whatever the settings say.
        """
        self._learner, self.valid, self._settings = learner, valid, settings
        self._seed, self._shard, self._group = seed, shard, group
        self._checkpoints, self._on_progress = checkpoints, on_progress
        self._train_path = train_path
        self._stop_after = settings.epochs if stop_after is None else stop_after
        self._saved_at = time.monotonic()
        self.position = Position()
        is_apart = not learner.keeps_last
        self.best = BestWeights(torch.empty_like(learner.rows) if is_apart else learner.rows)

    def resume(self) -> None:
        """Continue from the newest complete checkpoint, if there is one."""
        found = self._checkpoints.load(self._shard, self._group)
        if found is not None:
            self.position, snapshot = found
            restore(snapshot, self.position.optimiser_steps, self._learner, self.best)

    def fit(self) -> None:
        """Train for `epochs`, or until `patience` epochs have not improved the figure on valid.

        See `measure` for the figure. Without validation rows training runs to the
        end and keeps the last epoch's weights; so do learners that ask for it. Afterwards `best`
        holds the weights.

        Raises:
            TrainingError: The loss is no longer a finite number; raised on every rank.
        """
        while not self._is_over():
            self._run_epoch()
            if not self._is_over() and self._is_time_to_save():
                self._save()

    def _is_time_to_save(self) -> bool:
        """Return whether `checkpoint_seconds` are over by the clock of rank 0."""
        seconds = self._settings.checkpoint_seconds
        if not seconds:
            return True
        return self._group.broadcast(time.monotonic() - self._saved_at >= seconds)

    def _is_over(self) -> bool:
        at = self.position
        num_worse = at.epoch - 1 - at.best_epoch if at.best_epoch >= 0 else 0
        is_enough = num_worse >= self._settings.patience
        return at.epoch >= min(self._stop_after, self._settings.epochs) or is_enough

    def _run_epoch(self) -> None:
        learner, at, plan = self._learner, self.position, self._learner.plan
        clock, started, rows_done = Clock(self._group.device), time.perf_counter(), 0
        unchecked: list[Tensor] = []
        learner.model.train()
        batches = learner.batches(at.epoch, at.step)
        for step in range(at.step, plan.num_steps):
            rate = step_size(self._settings, at.epoch, step, plan.num_steps)
            seed_everything(self._seed, "step", at.epoch, step, self._group.rank)
            batch = next(batches)
            clock.mark("feed")
            unchecked.append(learner.take_step(batch, step, rate, clock))
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
                clock.settle()
            if is_saved:
                self._save()
            speed = rows_done / (time.perf_counter() - started)
            self._on_progress(at.epoch, at.step, plan.num_steps, speed, at.history)
        speed = rows_done / (time.perf_counter() - started)
        user_rows = learner.user_rows()
        measured = measure(learner, user_rows, self.valid, self._group)
        if measured.rmse is not None and not math.isfinite(measured.rmse):
            self._refuse("", f"a valid RMSE of {measured.rmse}", rate)
        record = self._record(measured, rate, started, clock)
        self._end_epoch(user_rows, {**record, "rows_per_second": round(speed)})

    def _record(self, valid: Measured, rate: float, started: float, clock: Clock) -> dict[str, Any]:
        """Return what the history keeps of the epoch."""
        loss, squares = (total / max(self._learner.num_ratings, 1) for total in self.position.sums)
        seconds = clock.settle()
        record = {
            "epoch": self.position.epoch,
            "train_loss": loss,
            "train_rmse": math.sqrt(squares) if self._learner.lists is None else None,
            "valid_rmse": valid.rmse,
            **({} if self._learner.lists is None else {"valid_ndcg": valid.ndcg}),
            "valid_cold": valid.num_cold,
            "learning_rate": rate,
            "seconds": round(time.perf_counter() - started, 3),
            **{f"seconds_{part}": round(seconds[part], 3) for part in PARTS},
            "peak_memory_mib": self._largest(
                resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            ),
        }
        if self._group.device.type == "cuda":
            peak = torch.cuda.max_memory_allocated(self._group.device) / 2**20
            record["peak_gpu_memory_mib"] = self._largest(peak)
        return record

    def _largest(self, mib: float) -> int:
        return round(float(self._group.max(torch.tensor([mib]))))

    def _end_epoch(self, user_rows: Tensor, record: dict[str, Any]) -> None:
        at, learner = self.position, self._learner
        valid_rmse = record["valid_rmse"]
        loss, least = (
            cost_of(one) for one in (record, at.history[at.best_epoch] if at.history else {})
        )
        at.history.append(record)
        state = learner.model.state_dict()
        if learner.keeps_last:
            at.best_epoch, at.valid_rmse = at.epoch, valid_rmse
            self.best.model_state = state
        elif loss is None or least is None or loss < least:
            at.best_epoch, at.valid_rmse = at.epoch, valid_rmse
            self.best.user_rows.copy_(user_rows)
            self.best.model_state = {name: t.detach().clone() for name, t in state.items()}
        at.epoch, at.step, at.sums = at.epoch + 1, 0, [0.0, 0.0]
        steps, speed = learner.plan.num_steps, record["rows_per_second"]
        self._on_progress(at.epoch - 1, steps, steps, speed, at.history)

    def _save(self) -> None:
        snapshot = take_snapshot(self._learner, self.best, self._group)
        self._checkpoints.save(self.position, snapshot, self._shard, self._group)
        self._saved_at = time.monotonic()

    def _check_finite(self, losses: Tensor, rate: float) -> None:
        broken = (~losses[:, 0].isfinite()).nonzero()
        if len(broken):
            step = self.position.step - len(losses) + int(broken[0])
            self._refuse(f", step {step}", f"a loss of {float(losses[broken[0], 0])}", rate)

    def _refuse(self, where: str, found: str, rate: float) -> NoReturn:
        raise TrainingError(
            describe(
                f"training on {self._train_path}, epoch {self.position.epoch + 1}{where}",
                found=f"{found} at learning rate {rate:g}",
                expected="a finite number",
                remedy=DIVERGED,
            )
        )


def cost_of(record: Mapping[str, Any]) -> float | None:
    """Return what valid says of an epoch, lower is better: RMSE, or 1 − NDCG; None if nothing."""
    ndcg: float | None = record.get("valid_ndcg")
    return record.get("valid_rmse") if ndcg is None else 1 - ndcg
