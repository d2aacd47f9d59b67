"""One trial of a search: a lone rank that trains in memory and writes nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from recspark.arrays.user_buckets import Shard
from recspark.training.checkpoint import Checkpoints, Position, Snapshot
from recspark.training.engine import Engine, cost_of
from recspark.training.feed import read_ratings
from recspark.training.group import Group
from recspark.training.job import TrainJob
from recspark.training.make import make_learner
from recspark.training.rank import require_sound, set_threads

OnEpoch = Callable[[int, float], bool]
"""Takes an epoch, from 0, and what valid says of it; returns whether to stop training."""


@dataclass(frozen=True)
class Trained:
    """What a trial learned about its settings.

    Attributes:
        rmse: RMSE on valid, as in a model's card; 1 − NDCG of models that predict no ratings.
        curve: The same after each epoch.
        is_stopped: Whether `on_epoch` stopped it.
    """

    rmse: float | None
    curve: list[float]
    is_stopped: bool


def run_trial(job: TrainJob, group: Group, on_epoch: OnEpoch) -> Trained:
    """Train as `run_rank` does, without checkpoints or weights on disk.

    Args:
        job: The training run; its folders are not used.
        group: A group of one rank.
        on_epoch: Called after each epoch.

    Raises:
        TrainingError: The loss diverged, or the model is worse than none.
    """
    shard = Shard(
        num_users=job.facts.num_users, num_buckets=job.facts.num_buckets, rank=0, num_ranks=1
    )
    set_threads(job, group)
    watch = _Watch(on_epoch)
    with make_learner(job, shard, group) as learner:
        engine = Engine(
            learner,
            read_ratings((job.valid,), job.valid_rows, shard, group.device, job.settings),
            settings=job.settings,
            seed=job.seed,
            shard=shard,
            group=group,
            checkpoints=_NoCheckpoints("", {}),
            on_progress=watch,
            train_path=" and ".join(job.train),
        )
        try:
            engine.fit()
        except _Stopped:
            return Trained(min(watch.curve), watch.curve, True)
        require_sound(job, engine.position)
        kept = engine.position.history[engine.position.best_epoch]
        return Trained(cost_of(kept), watch.curve, False)


def find_gpu(slot: int) -> int:
    """Return the number of the GPU for one of several trials side by side."""
    return slot % max(1, torch.cuda.device_count())


class _Stopped(Exception):
    """Ends a trial between two epochs."""


class _Watch:
    """Tells of each epoch once; an OnProgress."""

    def __init__(self, on_epoch: OnEpoch) -> None:
        self.curve: list[float] = []
        self._on_epoch = on_epoch

    def __call__(
        self, epoch: int, step: int, num_steps: int, speed: float, history: list[dict[str, Any]]
    ) -> None:
        """Note the epochs that ended since the last call."""
        for record in history[len(self.curve) :]:
            cost = cost_of(record)
            self.curve.append(math.nan if cost is None else cost)
            if self._on_epoch(len(self.curve) - 1, self.curve[-1]):
                raise _Stopped


class _NoCheckpoints(Checkpoints):
    """Saves nothing: a trial that is cut short starts again from its beginning."""

    def save(self, position: Position, snapshot: Snapshot, shard: Shard, group: Group) -> None:
        """Do nothing."""
