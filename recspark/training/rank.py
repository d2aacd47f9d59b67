"""One rank of a training run: it reads its buckets, trains, and writes its users."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import posixpath
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from recspark.arrays.user_buckets import Shard
from recspark.contract.paths import MODEL_CARD, RANKS_ONLY, SIGNAL_WEIGHTS, USES_TIMES
from recspark.errors import TrainingError, describe
from recspark.files import json_files, storage
from recspark.saved import weights
from recspark.training import refit
from recspark.training.checkpoint import Checkpoints, Position
from recspark.training.engine import DIVERGED, Engine
from recspark.training.failure import report_failure
from recspark.training.feed import read_ratings
from recspark.training.fit_predictions import Source, measure_predictions, predict_ratings
from recspark.training.group import Group, join_group
from recspark.training.job import TrainJob
from recspark.training.learner import Learner
from recspark.training.make import make_learner
from recspark.training.progress import PROGRESS, ProgressWriter
from recspark.training.result_settings import resume_settings
from recspark.training.tensorboard import import_writer, write_tensorboard

logger = logging.getLogger(__name__)

# A further thread pays off from this many rows in a rank's step. On MovieLens-100K with steps of
# 512 rows, two threads on two busy cores were five times slower than one.
ROWS_PER_THREAD = 4096
# The same of all its ratings, for learners that take all of them in a step.
RATINGS_PER_THREAD = 1 << 18


def train_rank(job: TrainJob) -> None:
    """Run one rank of the job, in a process that TorchDistributor started.

    A failure is written beside the weights before it is raised, because not every launcher passes
    it on to the driver.
    """
    logging.getLogger("recspark").setLevel(logging.INFO)
    with (
        report_failure(job.folder, int(os.environ["RANK"])),
        join_group(job.settings) as group,
    ):
        run_rank(job, group)


def run_rank(job: TrainJob, group: Group) -> None:
    """Read, train and save this rank's part; rank 0 also writes what all ranks share.

    Raises:
        ConfigError: There are fewer buckets than ranks, or a checkpoint belongs to another run.
        TrainingError: Rows are missing, or the loss diverged.
    """
    shard = Shard(
        num_users=job.facts.num_users,
        num_buckets=job.facts.num_buckets,
        rank=group.rank,
        num_ranks=group.num_ranks,
    )
    set_threads(job, group)
    if job.settings.tensorboard:
        import_writer()  # refuse before the work, not after it
    progress = ProgressWriter(job.folder, job.settings.epochs)
    if not refit.is_wanted(job):
        with _fit(job, shard, group, progress) as (engine, learner):
            if job.settings.uses_times and any(job.valid_rows.values()):
                _predict_valid(job, shard, group, engine, learner)
            _save(job, engine.position, shard, group, engine, learner)
        return
    first = refit.read_choice(job, _belongs_to(job), group)
    if first is None:
        with _fit(job, shard, group, progress) as (engine, learner):
            first = engine.position
            learner.model.load_state_dict(engine.best.model_state)
            predictions = None
            if not job.settings.ranks_only:
                valid = _predict_valid(job, shard, group, engine, learner)
                predictions = _predict_train(job, shard, group, engine, learner), valid
            refit.keep_choice(job, first, _belongs_to(job), predictions, shard, group)
    progress.note_refit(first.history)
    with _fit(refit.make_refit(job, first), shard, group, progress) as (engine, learner):
        refit.save_predictions(job, shard)
        _save(job, first, shard, group, engine, learner)


@contextlib.contextmanager
def _fit(
    job: TrainJob, shard: Shard, group: Group, progress: ProgressWriter
) -> Iterator[tuple[Engine, Learner]]:
    """Train, and yield the engine, whose `best` has the weights, and the learner."""
    with make_learner(job, shard, group) as learner:
        valid = read_ratings((job.valid,), job.valid_rows, shard, group.device, job.settings)
        checkpoints = Checkpoints(job.checkpoints, _belongs_to(job))
        engine = Engine(
            learner,
            valid,
            settings=job.settings,
            seed=job.seed,
            shard=shard,
            group=group,
            checkpoints=checkpoints,
            on_progress=progress if group.rank == 0 else _ignore,
            train_path=" and ".join(job.train),
            stop_after=job.stop_after,
        )
        # Reading may take much longer on one rank than on another, so nothing before this line may
        # wait for the other ranks with the timeout. From here on ranks move in step.
        group.barrier_without_timeout()
        if job.settings.resume:
            engine.resume()
            if engine.position.optimiser_steps:
                progress.note_resumed(engine.position.epoch, engine.position.step)
        elif group.rank == 0:
            checkpoints.remove()
        engine.fit()
        require_sound(job, engine.position)
        yield engine, learner


def _predict_train(
    job: TrainJob, shard: Shard, group: Group, engine: Engine, learner: Learner
) -> Tensor:
    """Return the predictions of the rank's ratings of train, [N]."""
    found = read_ratings(job.train, job.train_rows, shard, group.device, job.settings)
    source = Source(found, job.train, job.train_rows)
    return predict_ratings(job, learner, engine.best.user_rows, source, shard, group)


def _predict_valid(
    job: TrainJob, shard: Shard, group: Group, engine: Engine, learner: Learner
) -> Tensor:
    """Return the predictions of the rank's valid, [N].

    During the fit a model that uses times is measured for no particular moment. Now its figure
    becomes that at the times of the ratings.
    """
    source = Source(engine.valid, (job.valid,), job.valid_rows)
    predictions = predict_ratings(job, learner, engine.best.user_rows, source, shard, group)
    if job.settings.uses_times:
        position = engine.position
        position.valid_rmse = measure_predictions(predictions, engine.valid, group)
        position.history[-1]["valid_rmse"] = position.valid_rmse
    return predictions


def _save(
    job: TrainJob,
    chosen: Position,
    shard: Shard,
    group: Group,
    engine: Engine,
    learner: Learner,
) -> None:
    """Write the model; `chosen` is the position of the fit that valid judged."""
    weights.save_users(job.folder, shard, engine.best.user_rows, learner.seen_users)
    learner.save_more(job.folder, shard)
    seen_movies = group.max(learner.seen_movies.byte()).bool()
    card = _make_card(job, chosen, learner.model.spec.to_card())
    if chosen is not engine.position:
        last = engine.position.history[-1]
        card["refit"] = {"epochs": engine.position.epoch, "train_rmse": last["train_rmse"]}
    if group.rank == 0:
        weights.save_movies(job.folder, engine.best.model_state, seen_movies)
        weights.save_history(job.folder, chosen.history)
        json_files.write_json(posixpath.join(job.folder, MODEL_CARD), card)
        if job.settings.tensorboard:
            write_tensorboard(job.tensorboard, chosen.history)
    group.barrier()  # the last thing that can fail on any rank


def finish(job: TrainJob) -> dict[str, Any]:
    """Return the card of the model that the ranks wrote, and remove the run's temporary files.

    Called after all ranks ended without an error.
    """
    storage.remove(posixpath.join(job.folder, PROGRESS))
    storage.remove(job.checkpoints)
    return dict(json_files.read_json(posixpath.join(job.folder, MODEL_CARD)))


def require_sound(job: TrainJob, position: Position) -> None:
    """Raise a TrainingError if predicted ratings are more than twice as far off as 0 always."""
    kept = position.history[position.best_epoch]
    if job.settings.ranks_only:
        return
    name = "train" if kept["valid_rmse"] is None else "valid"
    rmse, limit = kept[f"{name}_rmse"], 2 * math.hypot(job.facts.rating_mean, job.facts.rating_std)
    if rmse > limit > 0:
        raise TrainingError(
            describe(
                f"training {job.model_name}",
                found=f"an RMSE of {rmse:.4g} on {name} in its best epoch",
                expected=f"at most {limit:.4g}, twice that of predicting 0 for every rating",
                remedy=DIVERGED,
            )
        )


def set_threads(job: TrainJob, group: Group) -> None:
    cores = job.num_cores
    if cores is None:
        cores = len(os.sched_getaffinity(0)) // int(os.environ["LOCAL_WORLD_SIZE"])
    rows, share = job.settings.batch_size, ROWS_PER_THREAD
    if job.settings.solves_rows:
        rows, share = sum(job.train_rows.values()), RATINGS_PER_THREAD
    torch.set_num_threads(max(1, min(cores, rows // group.num_ranks // share)))


def _make_card(job: TrainJob, position: Position, spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "architecture": job.settings.architecture,
        USES_TIMES: job.settings.uses_times,
        "spec": spec,
        "num_users": job.facts.num_users,
        "num_movies": job.facts.num_movies,
        "num_buckets": job.facts.num_buckets,
        "best_epoch": position.best_epoch,
        "num_epochs": len(position.history),
        "valid_rmse": position.valid_rmse,
        **_ranking(job, position),
        "index_ids": job.index_ids,
        "settings": asdict(job.settings),
        "seed": job.seed,
    }


def _ranking(job: TrainJob, position: Position) -> dict[str, Any]:
    """Return what the card of a model that ranks and predicts no ratings says more."""
    if job.signal is None:
        return {}
    ndcg = position.history[position.best_epoch]["valid_ndcg"]
    return {RANKS_ONLY: True, "valid_ndcg": ndcg, SIGNAL_WEIGHTS: job.signal.to_card()}


def _belongs_to(job: TrainJob) -> dict[str, Any]:
    """Return what a run must have in common with a checkpoint to continue it, as JSON values."""
    chosen = resume_settings(
        job.settings, job.train_rows, job.facts.num_users, job.facts.num_buckets
    )
    settings = {f"train.{name}": value for name, value in chosen.items()}
    if job.signal is not None:
        settings |= {"signal": job.signal.to_card(), "relevant_rating": job.relevant_rating}
    return dict(
        json.loads(
            json.dumps({**settings, "seed": job.seed, "train": job.train_id, **job.index_ids})
        )
    )


def _ignore(*_: object) -> None:
    """Only rank 0 writes progress."""
