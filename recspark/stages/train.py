"""The train job: train and valid → one model, by ranks that Spark or torchrun started."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from recspark.config import Config, TrainConfig
from recspark.contract.catalog import MOVIE_INDEX, TRAIN, USER_INDEX, VALID
from recspark.contract.paths import RunPaths
from recspark.datasets.manifest import Manifest, read_manifest, require_manifest
from recspark.datasets.prepared import PreparedFacts
from recspark.datasets.signal import Signal
from recspark.datasets.step import Step
from recspark.errors import ConfigError, RecsparkError, TrainingError, describe
from recspark.training.failure import explain_failures, read_failures
from recspark.training.group import Group, join_group
from recspark.training.job import TrainJob
from recspark.training.progress import describe_valid, show_progress
from recspark.training.rank import finish, run_rank, train_rank
from recspark.training.result_settings import result_settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

logger = logging.getLogger(__name__)


def run(config: Config, model_name: str, spark: SparkSession) -> None:
    """Train one model and write `models/<model_name>`.

    Args:
        config: The model's resolved config; `train.architecture` says what is trained.
        model_name: Name of the preset.
        spark: The session whose machines train.

    Raises:
        ConfigError: `train.architecture` is not set, or there are fewer buckets than ranks.
        DataError: train or valid is missing.
        TrainingError: A rank failed; the message gives the rank, the cause and its last log lines.
    """
    step, train, valid = _plan_step(config, model_name)
    job = make_job(config, model_name, step.staging(step.outputs[0]), train, valid)
    if step.is_done():
        return
    with step:
        _launch(job, spark)
        _publish(step, job)


def run_as_rank(models: Mapping[str, Config]) -> None:
    """Train models, one after another, as one of the ranks that torchrun started.

    All models share one process group, because its ranks can meet once only at the address that
    torchrun gives. It waits for the longest `train.timeout_seconds` of the models.

    Args:
        models: Each model's resolved config, by name.

    Raises:
        ConfigError: See `run`; or the models differ in `train.device`.
    """
    if not models:
        return
    with join_group(_join_settings(models)) as group:
        for name, config in models.items():
            # torchrun says how many ranks there are, not train.num_ranks.
            train = replace(config.train, num_ranks=group.num_ranks)
            _train_in_group(replace(config, train=train), name, group)


def _join_settings(models: Mapping[str, Config]) -> TrainConfig:
    """Return settings for the group of all models."""
    each = [config.train for config in models.values()]
    devices = {one.device for one in each}
    if len(devices) > 1:
        raise ConfigError(
            describe(
                "train.device",
                found=f"{' and '.join(sorted(devices))} for {', '.join(models)}",
                expected="one device for all models under torchrun",
                remedy="Train the models in several runs, or set train.device on the command line.",
            )
        )
    return replace(each[0], timeout_seconds=max(one.timeout_seconds for one in each))


def _train_in_group(config: Config, model_name: str, group: Group) -> None:
    """Train one model; rank 0 decides for all whether to train, and publishes."""
    step, train, valid = _plan_step(config, model_name)
    job = make_job(config, model_name, step.staging(step.outputs[0]), train, valid)
    if group.rank != 0:
        if group.broadcast(None):
            run_rank(job, group)
        return
    if not group.broadcast(not step.is_done()):
        return
    with step:
        with show_progress(job.folder, model_name):
            run_rank(job, group)
        _publish(step, job)


def _plan_step(config: Config, model_name: str) -> tuple[Step, Manifest, Manifest]:
    paths = RunPaths(config.root)
    train = require_manifest(paths.train, TRAIN)
    valid = require_manifest(paths.valid, VALID)
    facts = PreparedFacts.of(train)
    chosen = result_settings(config.train, train.bucket_rows, facts.num_users, facts.num_buckets)
    settings = {**chosen, "seed": config.seed}
    if config.ranks_only:
        signal = Signal.of(config, facts).to_card()
        settings |= {
            "signal": signal,
            "relevant_rating": facts.find_relevant(config.evaluate.relevant_rating),
        }
    inputs = {"train": train.id, "valid": valid.id}
    if config.train.sampler.attributes:
        found = {"users": read_manifest(paths.users), "movies": read_manifest(paths.movies)}
        inputs |= {name: one.id for name, one in found.items() if one is not None}
    step = Step(
        stage="train",
        settings=settings,
        inputs=inputs,
        outputs=(paths.model(model_name),),
        force=config.force,
        root=paths.root,
        reads=[paths.train, paths.valid, paths.user_index, paths.movie_index],
        scratch=[paths.checkpoints(model_name), paths.tensorboard(model_name)],
    )
    return step, train, valid


def make_job(
    config: Config, model_name: str, folder: str, train: Manifest, valid: Manifest
) -> TrainJob:
    """Return the training run of a model.

    Args:
        config: The model's resolved config.
        model_name: Name of the preset.
        folder: Where ranks write.
        train: Manifest of train.
        valid: Manifest of valid.

    Raises:
        ConfigError: `train.architecture` is not set.
    """
    if config.train.architecture is None:
        raise ConfigError(
            describe(
                f"train of {model_name}",
                found="no train.architecture",
                expected="the name of an architecture",
                remedy=f"Set it in recspark/presets/{model_name}.yaml, or run jobs/baseline.py.",
            )
        )
    paths = RunPaths(config.root)
    facts = PreparedFacts.of(train)
    return TrainJob(
        model_name=model_name,
        folder=folder,
        train=(paths.train,),
        valid=paths.valid,
        train_rows=train.bucket_rows,
        valid_rows=valid.bucket_rows,
        facts=facts,
        checkpoints=paths.checkpoints(model_name),
        tensorboard=paths.tensorboard(model_name),
        train_id=train.id,
        index_ids={
            "user_index": require_manifest(paths.user_index, USER_INDEX).id,
            "movie_index": require_manifest(paths.movie_index, MOVIE_INDEX).id,
        },
        settings=config.train,
        seed=config.seed,
        signal=Signal.of(config, facts) if config.ranks_only else None,
        relevant_rating=facts.find_relevant(config.evaluate.relevant_rating),
        run=config.root,
    )


def _publish(step: Step, job: TrainJob) -> None:
    card = finish(job)
    step.publish(step.outputs[0], None, counts=card)
    logger.info(
        "train: %s kept epoch %s of %s, %s",
        job.model_name,
        card["best_epoch"] + 1,
        card["num_epochs"],
        describe_valid(card),
    )


def _launch(job: TrainJob, spark: SparkSession) -> None:
    """Run the ranks until all are finished; raise the failure that a rank recorded."""
    from recspark.cluster.ranks import is_local_master, start_ranks

    if not is_local_master(spark):
        cores = spark.sparkContext.getConf().get("spark.task.cpus", "1")
        job = replace(job, num_cores=int(str(cores)))
    try:
        with show_progress(job.folder, job.model_name):
            start_ranks(spark, job.settings.num_ranks, train_rank, job)
    except RecsparkError:
        raise
    except Exception as error:
        cause = explain_failures(read_failures(job.folder), str(error), job.settings.num_ranks)
        raise TrainingError(f"training {job.model_name}: {cause}") from error
