"""Submitted by a test: writes what executors and training processes see to JSON files."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np

from recspark.cluster.ranks import start_ranks
from recspark.cluster.session import create_session
from recspark.cluster.tasks import broadcast
from recspark.config import SparkConfig


def see() -> dict[str, object]:
    import recspark

    return {
        "library": recspark.__file__,
        "gpus": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "environment": os.environ.get("SHIPPED"),
    }


def see_as_rank(folder: str) -> None:
    from torch import distributed as dist

    dist.init_process_group("gloo")
    seen = [None] * dist.get_world_size()
    dist.all_gather_object(seen, see())
    if dist.get_rank() == 0:
        (Path(folder) / "ranks.json").write_text(json.dumps(seen))
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    spark = create_session(SparkConfig(), "probe")
    # Larger than any broadcast of the small test data: the cluster encrypts broadcasts.
    numbers = np.arange(1_000_000)
    wanted = int(numbers.sum())
    # The driver does not read the value: under encryption pyspark 3.5 would deadlock there.
    with broadcast(spark.sparkContext, numbers) as shared:
        del numbers
        tasks = (
            spark.sparkContext.parallelize(range(2), 2)
            .map(lambda _: {**see(), "has_broadcast": int(shared.value.sum()) == wanted})
            .collect()
        )
    (Path(sys.argv[1]) / "tasks.json").write_text(json.dumps(tasks))
    start_ranks(spark, 2, see_as_rank, sys.argv[1])
    spark.stop()
