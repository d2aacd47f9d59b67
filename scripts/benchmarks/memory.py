"""Measure the memory that the users of a model take on each rank, with one rank and with several.

    python scripts/benchmarks/memory.py
    python scripts/benchmarks/memory.py --ranks 1,2,4 --factors 64

The ranks train `dot_product` for two epochs over gloo, as jobs/train.py runs them, so that they
hold the rows, Adam's two moments and the copy of the best epoch. The memory of the users is the
highest peak memory of any rank, minus that of the same training with hardly any users.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from common import header, save
from train import make_job, run_ranks

from recspark.config import TrainConfig
from recspark.contract import columns as c
from recspark.training.job import TrainJob

NUM_BUCKETS = 64
FEW_USERS = NUM_BUCKETS


def make_data(folder: Path, num_users: int, num_movies: int, num_ratings: int) -> dict[int, int]:
    """Write ratings by bucket unless they exist; return the rows of each bucket.

    Every user gets a rating if there are enough ratings. A user without ratings would take no
    memory, because the operating system allocates a page only when it is written to.
    """
    per_bucket = num_ratings // NUM_BUCKETS
    for bucket in range(NUM_BUCKETS):
        target = folder / f"{c.BUCKET}={bucket}"
        if target.exists():
            continue
        target.mkdir(parents=True)
        rng = np.random.default_rng(bucket)
        position = rng.permutation(per_bucket) % (num_users // NUM_BUCKETS)
        users = position * NUM_BUCKETS + bucket
        movies = rng.integers(num_movies, size=per_bucket)
        table = pa.table(
            {
                c.USER_INDEX: pa.array(users, pa.int32()),
                c.MOVIE_INDEX: pa.array(movies, pa.int32()),
                c.RATING: pa.array(rng.integers(1, 6, per_bucket), pa.float32()),
                c.RATED_AT: pa.array(np.zeros(per_bucket), pa.int32()),
            }
        )
        pq.write_table(table, target / "part-0.parquet")
    return dict.fromkeys(range(NUM_BUCKETS), per_bucket)


def peak_memory(job: TrainJob, num_ranks: int) -> float:
    """Return the highest peak memory of any rank, in MiB."""
    return float(run_ranks(job, num_ranks)[-1]["peak_memory_mib"])


def make_memory_job(arguments: argparse.Namespace, num_users: int, num_ranks: int) -> TrainJob:
    """Return the job that trains on the data of `num_users` users."""
    work = arguments.work.resolve()
    data = work / f"memory-{num_users}-{arguments.num_ratings}" / "train"
    rows = make_data(data, num_users, arguments.num_movies, arguments.num_ratings)
    settings = TrainConfig(
        architecture="dot_product",
        embedding_size=arguments.factors,
        epochs=2,
        batch_size=8192,
        num_ranks=num_ranks,
        device="cpu",
        timeout_seconds=600,
    )
    return make_job(
        "memory",
        settings,
        train=data,
        folder=work / "memory-model",
        rows=rows,
        num_users=num_users,
        num_movies=arguments.num_movies,
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ranks", default="1,2")
    parser.add_argument("--num_users", type=int, default=480_189)
    parser.add_argument("--num_movies", type=int, default=17_770)
    parser.add_argument("--factors", type=int, default=256)
    parser.add_argument("--num_ratings", type=int, default=480_256)
    parser.add_argument("--work", type=Path, default=Path("runs/benchmark"))
    arguments = parser.parse_args()
    arguments.stage, arguments.repeats = "memory", 1
    head = header(arguments)
    found = {}
    for num_ranks in map(int, arguments.ranks.split(",")):
        many, few = (
            peak_memory(make_memory_job(arguments, users, num_ranks), num_ranks)
            for users in (arguments.num_users, FEW_USERS)
        )
        found[num_ranks] = {"peak_mib": many, "without_users_mib": few, "users_mib": many - few}
        print(f"{num_ranks} ranks: {found[num_ranks]}", file=sys.stderr)
    print(json.dumps(head, indent=1))
    first = next(iter(found.values()))["users_mib"]
    for num_ranks, figures in found.items():
        print(
            f"{num_ranks} ranks: the users take {figures['users_mib']:,.0f} MiB per rank, "
            f"{figures['users_mib'] / first:.3f} of the first; peak {figures['peak_mib']:,.0f} MiB"
        )
    save(arguments.work, "memory", head | {"ranks": found})
    return 0


if __name__ == "__main__":
    sys.exit(main())
