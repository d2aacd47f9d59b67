"""The train job: train and valid → one model, by ranks that Spark or torchrun started."""

from __future__ import annotations

import collections
import contextlib
import io
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, TextIO

from recspark.arrays.user_buckets import Shard
from recspark.config import Config
from recspark.config.train import result_settings
from recspark.contract.catalog import MOVIE_INDEX, TRAIN, USER_INDEX, VALID
from recspark.contract.paths import RunPaths
from recspark.datasets.manifest import Manifest, require_manifest
from recspark.datasets.prepared import PreparedFacts
from recspark.datasets.step import Step
from recspark.errors import ConfigError, TrainingError, describe
from recspark.training.failure import explain_failures, read_failures
from recspark.training.group import join_group
from recspark.training.job import TrainJob
from recspark.training.progress import show_progress
from recspark.training.rank import finish, run_rank, train_rank

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

logger = logging.getLogger(__name__)

# Spark's own name for a barrier stage that does not fit the cluster.
_TOO_FEW_SLOTS = "SPARK-24819"


def run(config: Config, model_name: str, spark: SparkSession | None) -> None:
    """Train one model and write `models/<model_name>`.

    Args:
        config: The model's resolved config; `train.architecture` says what is trained.
        model_name: Name of the preset.
        spark: The session whose machines train, through TorchDistributor: processes beside the
            driver for a local master, barrier tasks on a cluster. None in a process that torchrun
            started, which then is one of the ranks.

    Raises:
        ConfigError: `train.architecture` is not set, or there are fewer buckets than ranks.
        DataError: train or valid is missing.
        TrainingError: A rank failed; the message gives the rank, the cause and its last log lines.
    """
    if spark is None:
        _run_as_rank(config, model_name)
        return
    step, train, valid = _plan_step(config, model_name)
    job = _make_job(config, model_name, step, train, valid)
    if step.is_done():
        return
    with step:
        _launch(job, spark)
        _publish(step, job)


def _run_as_rank(config: Config, model_name: str) -> None:
    """Run as one rank; rank 0 decides for all whether to train, and publishes."""
    num_ranks = int(os.environ["WORLD_SIZE"])  # set by torchrun, not by train.num_ranks
    config = replace(config, train=replace(config.train, num_ranks=num_ranks))
    step, train, valid = _plan_step(config, model_name)
    with join_group(config.train) as group, contextlib.ExitStack() as stack:
        attempt = step.attempt if group.rank == 0 and not step.is_done() else None
        if group.rank == 0 and attempt:
            stack.enter_context(step)
        attempt = group.broadcast(attempt)
        if attempt is None:
            return
        job = replace(_make_job(config, model_name, step, train, valid), attempt=attempt)
        if group.rank != 0:
            run_rank(job, group)
            return
        with show_progress(job.folder, model_name):
            run_rank(job, group)
        _publish(step, job)


def _plan_step(config: Config, model_name: str) -> tuple[Step, Manifest, Manifest]:
    paths = RunPaths(config.root)
    train = require_manifest(paths.train, TRAIN)
    valid = require_manifest(paths.valid, VALID)
    settings = {**result_settings(config.train), "seed": config.seed}
    inputs = {"train": train.id, "valid": valid.id}
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


def _make_job(
    config: Config, model_name: str, step: Step, train: Manifest, valid: Manifest
) -> TrainJob:
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
    # Refuses more ranks than buckets here, before any process is started.
    Shard(
        num_users=facts.num_users,
        num_buckets=facts.num_buckets,
        rank=0,
        num_ranks=config.train.num_ranks,
    )
    return TrainJob(
        model_name=model_name,
        attempt=step.attempt,
        folder=step.staging(step.outputs[0]),
        train=paths.train,
        valid=paths.valid,
        train_rows=train.bucket_rows,
        valid_rows=valid.bucket_rows,
        num_users=facts.num_users,
        num_movies=facts.num_movies,
        num_buckets=facts.num_buckets,
        rating_mean=facts.rating_mean,
        rating_std=facts.rating_std,
        rating_values=facts.rating_values,
        checkpoints=paths.checkpoints(model_name),
        tensorboard=paths.tensorboard(model_name),
        train_id=train.id,
        index_ids={
            "user_index": require_manifest(paths.user_index, USER_INDEX).id,
            "movie_index": require_manifest(paths.movie_index, MOVIE_INDEX).id,
        },
        settings=config.train,
        seed=config.seed,
    )


def _publish(step: Step, job: TrainJob) -> None:
    card = finish(job)
    step.publish(step.outputs[0], None, counts=card)
    logger.info(
        "train: %s kept epoch %s of %s, valid RMSE %s",
        job.model_name,
        card["best_epoch"] + 1,
        card["num_epochs"],
        card["valid_rmse"],
    )


def _launch(job: TrainJob, spark: SparkSession) -> None:
    """Run the ranks until all are finished; raise the failure that a rank recorded."""
    from pyspark.ml.torch.distributor import TorchDistributor

    conf = spark.sparkContext.getConf()
    is_local = str(spark.sparkContext.master).startswith("local")
    # On a cluster Spark tells each barrier task its GPU. Local ranks choose by their LOCAL_RANK.
    has_gpus = not is_local and float(conf.get("spark.task.resource.gpu.amount", "0")) > 0
    if not is_local:
        job = replace(job, num_cores=int(conf.get("spark.task.cpus", "1")))
    distributor = TorchDistributor(
        num_processes=job.settings.num_ranks, local_mode=is_local, use_gpu=has_gpus
    )
    # TorchDistributor's error says little; torchrun prints on stdout how each rank ended.
    tail = _Tail(sys.stdout)
    try:
        with (
            show_progress(job.folder, job.model_name),
            _quiet_torchrun(),
            contextlib.redirect_stdout(tail),
        ):
            # A function, because with a script's path a failure would be returned as success.
            distributor.run(train_rank, job)
    except Exception as error:
        if _TOO_FEW_SLOTS in str(error):
            raise TrainingError(_describe_slots(job)) from error
        failures = read_failures(job.folder)
        output = "".join(tail.kept) + str(error)
        cause = explain_failures(failures, output, job.settings.num_ranks)
        raise TrainingError(f"training {job.model_name}: {cause}") from error


class _Tail(io.TextIOBase):
    """Passes text on to another stream and keeps its last pieces."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.kept: collections.deque[str] = collections.deque(maxlen=200)

    def write(self, text: str) -> int:
        """Write and keep."""
        self.kept.append(text)
        return self._stream.write(text)

    def flush(self) -> None:
        """Flush the other stream."""
        self._stream.flush()


def _describe_slots(job: TrainJob) -> str:
    return describe(
        f"training {job.model_name}",
        found=f"fewer free task slots than {job.settings.num_ranks} ranks",
        expected="one per rank, because ranks run at the same time",
        remedy="Lower train.num_ranks, give the job more cores (and GPUs), or lower "
        "spark.task.cpus; executors that start slowly need a higher "
        "spark.scheduler.barrier.maxConcurrentTasksCheck.maxFailures.",
    )


@contextlib.contextmanager
def _quiet_torchrun() -> Iterator[None]:
    """Set the variables that torchrun would otherwise set with a warning, and its log folder.

    Ranks choose their own thread count. The log folder is removed after the run, or with the files
    of the Spark session if the run is killed; torchrun itself would leave it in /tmp.
    """
    from pyspark import SparkFiles

    with tempfile.TemporaryDirectory(
        prefix="torchrun-", dir=SparkFiles.getRootDirectory(), ignore_cleanup_errors=True
    ) as logs:
        wanted = {"OMP_NUM_THREADS": "1", "PET_LOG_DIR": logs}
        added = [name for name in wanted if name not in os.environ]
        os.environ.update({name: wanted[name] for name in added})
        try:
            yield
        finally:
            for name in added:
                del os.environ[name]
