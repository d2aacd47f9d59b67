"""One rank of a training run, from reading its buckets to writing its users."""

from __future__ import annotations

import logging
import os
import posixpath
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from recspark import storage
from recspark.errors import TrainingError, describe
from recspark.models.registry import find_architecture
from recspark.paths import MODEL_CARD
from recspark.training import weights
from recspark.training.engine import Fit, fit_model
from recspark.training.failure import report_failure
from recspark.training.feed import read_ratings
from recspark.training.group import Group, join_group
from recspark.training.job import TrainJob
from recspark.training.plan import StepPlan
from recspark.training.progress import PROGRESS, make_writer
from recspark.training.seeds import make_generator
from recspark.training.shard import Shard
from recspark.training.user_table import UserTable, init_user_rows

logger = logging.getLogger(__name__)

SUCCESS = "success.json"


def train_rank(job: TrainJob) -> None:
    """Be one rank of the job, in a process that TorchDistributor started.

    A failure is written beside the weights before it is raised, because not every launcher carries
    it to the driver.
    """
    logging.getLogger("recspark").setLevel(logging.INFO)
    with (
        report_failure(job.folder, int(os.environ["RANK"])),
        join_group(job.settings, job.num_cores) as group,
    ):
        run_rank(job, group)


def run_rank(job: TrainJob, group: Group) -> None:
    """Read, train and save this rank's part; rank 0 writes what all share, and success last.

    Raises:
        ConfigError: There are fewer buckets than ranks.
        TrainingError: Rows are missing, or the loss diverged.
    """
    shard = Shard(
        num_users=job.num_users,
        num_buckets=job.num_buckets,
        rank=group.rank,
        num_ranks=group.num_ranks,
    )
    train = read_ratings(job.train, job.train_rows, shard, group.device)
    valid = read_ratings(job.valid, job.valid_rows, shard, group.device)
    logger.info("rank %s read %s train and %s valid rows", group.rank, len(train), len(valid))
    model = find_architecture(job.settings.architecture).from_settings(
        job.settings,
        num_movies=job.num_movies,
        rating_mean=job.rating_mean,
        generator=make_generator(job.seed, "movies"),
    )
    table = UserTable(init_user_rows(model, shard, job.seed).to(group.device))
    group.wait()  # reading may take ranks very different times; from here on they go in step
    fit = fit_model(
        model.to(group.device),
        table,
        train,
        valid,
        settings=job.settings,
        plan=StepPlan(job.train_rows, job.settings.batch_size, job.seed),
        shard=shard,
        group=group,
        on_progress=make_writer(job.folder, job.settings.epochs) if group.rank == 0 else _ignore,
    )
    weights.save_users(job.folder, shard, fit.user_rows, _seen(train.user_rows, shard.num_rows))
    seen_movies = group.sum(_seen(train.movie_index, job.num_movies).int()) > 0
    card = _make_card(job, fit, model.hyper_parameters())
    if group.rank == 0:
        weights.save_movies(job.folder, fit.model_state, seen_movies)
        weights.save_history(job.folder, fit.history)
        storage.write_json(posixpath.join(job.folder, MODEL_CARD), card)
    group.wait()  # the last thing that can fail on any rank but 0
    if group.rank == 0:
        storage.write_json(
            posixpath.join(job.folder, SUCCESS), {"attempt": job.attempt, "card": card}
        )


def finish(job: TrainJob) -> dict[str, Any]:
    """Return the card of the model that the ranks wrote, and remove what only served the run.

    Raises:
        TrainingError: The ranks ended without the marker that this attempt succeeded.
    """
    marker = posixpath.join(job.folder, SUCCESS)
    success: dict[str, Any] = {"attempt": None}
    if storage.exists(marker):
        success = storage.read_json(marker)
    if success["attempt"] != job.attempt:
        raise TrainingError(
            describe(
                f"training {job.model_name}",
                found=f"a success marker of attempt {success['attempt']}",
                expected=f"one of {job.attempt}",
                remedy="A rank ended early without an error; its output is above. Run it again.",
            )
        )
    storage.remove(marker)
    storage.remove(posixpath.join(job.folder, PROGRESS))
    return dict(success["card"])


def _make_card(job: TrainJob, fit: Fit, hyper_parameters: dict[str, Any]) -> dict[str, Any]:
    return {
        "architecture": job.settings.architecture,
        "attempt": job.attempt,
        "hyper_parameters": hyper_parameters,
        "num_users": job.num_users,
        "num_movies": job.num_movies,
        "num_buckets": job.num_buckets,
        "best_epoch": fit.best_epoch,
        "num_epochs": len(fit.history),
        "valid_rmse": fit.valid_rmse,
        "index_ids": job.index_ids,
        "settings": asdict(job.settings),
        "seed": job.seed,
    }


def _seen(index: Tensor, size: int) -> Tensor:
    seen = torch.zeros(size, dtype=torch.bool, device=index.device)
    seen[index.long()] = True
    return seen


def _ignore(*_: object) -> None:
    """Only rank 0 writes progress."""
