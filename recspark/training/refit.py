"""Fits a model again on train and valid together, for as many epochs as valid chose.

What the first fit leaves behind is kept beside the checkpoints until the model is saved, so that a
run killed in the second fit does not repeat the first:

    checkpoints/<model>/choice.json                         the first fit's position, and its inputs
                        first_fit/bucket-00003.safetensors  its predictions of train and valid
                        refit/                              checkpoints of the second fit
"""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from torch import Tensor

from recspark.arrays.user_buckets import Shard
from recspark.files import json_files, storage
from recspark.saved import weights
from recspark.training.checkpoint import Position
from recspark.training.group import Group
from recspark.training.job import TrainJob

CHOICE = "choice.json"


def is_wanted(job: TrainJob) -> bool:
    """Return whether the job is to be fitted a second time."""
    return job.settings.refit and any(job.valid_rows.values())


def make_refit(job: TrainJob, first: Position) -> TrainJob:
    """Return the job of the second fit.

    Args:
        job: The first one.
        first: Where it ended.
    """
    return replace(
        job,
        train=(*job.train, job.valid),
        train_rows=dict(Counter(job.train_rows) + Counter(job.valid_rows)),
        valid_rows={},
        checkpoints=posixpath.join(job.checkpoints, "refit"),
        stop_after=first.best_epoch + 1,
    )


def keep_choice(
    job: TrainJob,
    first: Position,
    belongs_to: Mapping[str, Any],
    predictions: tuple[Tensor, Tensor] | None,
    shard: Shard,
    group: Group,
) -> None:
    """Keep what the first fit found; all ranks call it together.

    Args:
        job: The first fit.
        first: Where it ended.
        belongs_to: See `Checkpoints`.
        predictions: [N] each, of the rank's ratings of train and of valid, see `predict_ratings`;
            None for models that predict no ratings.
        shard: The rank's buckets.
        group: The ranks.
    """
    if predictions is not None:
        parts = [
            values.split([rows.get(bucket, 0) for bucket in shard.buckets])
            for values, rows in zip(predictions, (job.train_rows, job.valid_rows), strict=True)
        ]
        for bucket, *pair in zip(shard.buckets, *parts, strict=True):
            weights.save_first_fit(job.checkpoints, bucket, *pair)
    group.barrier()
    if group.rank == 0:
        choice = {"position": asdict(first), "belongs_to": belongs_to}
        json_files.write_json(posixpath.join(job.checkpoints, CHOICE), choice)
    group.barrier()


def read_choice(job: TrainJob, belongs_to: Mapping[str, Any], group: Group) -> Position | None:
    """Return where an earlier run's first fit ended; None if this run has to do it."""
    path = posixpath.join(job.checkpoints, CHOICE)
    found = None
    if group.rank == 0 and job.settings.resume and storage.exists(path):
        found = json_files.read_json(path)
    found = group.broadcast(found)
    if found is None or found["belongs_to"] != belongs_to:
        return None
    return Position(**found["position"])


def save_predictions(job: TrainJob, shard: Shard) -> None:
    """Write the rank's predictions, if `keep_choice` kept some, into the model."""
    for bucket in shard.buckets:
        kept = weights.load_first_fit(job.checkpoints, bucket)
        if kept is not None:
            weights.save_first_fit(job.folder, bucket, *kept)
