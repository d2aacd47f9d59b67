"""Starts the ranks of a training through Spark's TorchDistributor.

They are processes beside the driver for a local master, and barrier tasks on a cluster.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

from pyspark import SparkFiles
from pyspark.ml.torch.distributor import TorchDistributor
from pyspark.sql import SparkSession

from recspark.errors import ConfigError, TrainingError, describe

# Spark's own name for a barrier stage that does not fit the cluster.
_TOO_FEW_SLOTS = "SPARK-24819"
_GPUS = "CUDA_VISIBLE_DEVICES"
WANTED = {
    # torchrun would set it with a warning; ranks choose their own thread count.
    "OMP_NUM_THREADS": "1",
    # Spark's addresses of GPUs are those of nvidia-smi, which counts in this order.
    "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
    # glibc would give the temporaries of each step back to the kernel; other allocators ignore it.
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(16 * 2**30),
    "MALLOC_TOP_PAD_": str(256 * 2**20),
}


def start_ranks(
    spark: SparkSession, num_ranks: int, function: Callable[..., Any], *args: Any
) -> None:
    """Call the function on every rank, and return when all have ended without an error.

    It is a function, because TorchDistributor takes a failed script for a success.

    Args:
        spark: The session whose machines train.
        num_ranks: Number of ranks.
        function: What a rank does; it finds its place in the variables that torchrun sets.
        args: Its arguments.

    Raises:
        ConfigError: `spark.task.resource.gpu.amount` is neither 0 nor 1.
        TrainingError: There are too few slots.
        Exception: A rank failed; the message ends with the last lines that torchrun wrote.
    """
    is_local = is_local_master(spark)
    gpus = spark.sparkContext.getConf().get("spark.task.resource.gpu.amount", "0")
    if not is_local and gpus not in ("0", "1"):
        raise ConfigError(
            describe(
                "spark.task.resource.gpu.amount",
                found=str(gpus),
                expected="1, as a rank computes on one GPU",
                remedy="Set it to 1, and train.num_ranks to the number of GPUs.",
            )
        )
    # On a cluster Spark tells each barrier task its GPU. Local ranks choose by their LOCAL_RANK.
    distributor = _Distributor(
        num_processes=num_ranks, local_mode=is_local, use_gpu=not is_local and gpus == "1"
    )
    try:
        with _rank_environment():
            distributor.run(function, *args)
    except Exception as error:
        if _TOO_FEW_SLOTS not in str(error):
            raise
        raise TrainingError(_describe_slots(num_ranks)) from error


def is_local_master(spark: SparkSession) -> bool:
    """Return whether ranks start beside the driver."""
    return str(spark.sparkContext.master).startswith("local")


class _Distributor(TorchDistributor):
    """Gives the ranks of a barrier task an environment of their own, and the task's own GPU.

    TorchDistributor keeps a CUDA_VISIBLE_DEVICES that a worker inherited from its machine or from
    an earlier training. Two ranks could then compute on one GPU.
    """

    def _get_spark_task_function(self, *args: Any, **kwargs: Any) -> Callable[..., Any]:
        run_task = super()._get_spark_task_function(*args, **kwargs)

        def run(rows: Iterator[Any]) -> Iterator[Any]:
            with _rank_environment():
                os.environ.pop(_GPUS, None)
                yield from run_task(rows)

        return run


@contextlib.contextmanager
def _rank_environment() -> Iterator[None]:
    """Set the variables that ranks inherit where the user did not, and restore all at the end.

    torchrun's logs are removed after the run, or with the files of the Spark session if the run is
    killed; torchrun itself would leave them in /tmp.
    """
    before = dict(os.environ)
    with tempfile.TemporaryDirectory(
        prefix="torchrun-", dir=SparkFiles.getRootDirectory(), ignore_cleanup_errors=True
    ) as logs:
        os.environ.update({**WANTED, "PET_LOG_DIR": logs, **before})
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def _describe_slots(num_ranks: int) -> str:
    return describe(
        "training",
        found=f"fewer free task slots than {num_ranks} ranks",
        expected="one per rank, because ranks run at the same time",
        remedy="Lower train.num_ranks, give the job more cores (and GPUs), or lower "
        "spark.task.cpus; executors that start slowly need a higher "
        "spark.scheduler.barrier.maxConcurrentTasksCheck.maxFailures.",
    )
