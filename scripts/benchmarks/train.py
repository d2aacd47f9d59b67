"""Measure training against the textbook loop at the same size, alternately, in one process.

    python scripts/benchmarks/train.py --preset netflix_mf_large
    python scripts/benchmarks/train.py --preset netflix_embedding_nn_large

The rows are random, because the speed does not depend on their values. They have as many users and
movies as the Netflix set. For recspark, this measures one epoch of the preset on one rank, as
jobs/train.py runs it, without reading. The textbook loop uses a DataLoader over a TensorDataset,
nn.Embedding and dense Adam with batches of 2,048, and the same factors and layers. It takes only
--textbook_steps steps, because every step costs the same.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import socket
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from common import header, save
from feed import NUM_MOVIES, NUM_USERS, make_data
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from training_job import make_job as make_plain_job

from recspark.cluster.ranks import WANTED
from recspark.config import TrainConfig
from recspark.config.load import load_model_configs
from recspark.training.job import TrainJob
from recspark.training.rank import train_rank

WARM_UP_STEPS = 3
TEXTBOOK_ROWS = 2048


class TextbookModel(nn.Module):
    """Embeddings of users and movies with a dot product and biases, or with dense layers."""

    def __init__(self, factors: int, hidden: int | None) -> None:
        super().__init__()
        self.users, self.movies = (
            nn.Embedding(NUM_USERS, factors),
            nn.Embedding(NUM_MOVIES, factors),
        )
        self.user_bias, self.movie_bias = nn.Embedding(NUM_USERS, 1), nn.Embedding(NUM_MOVIES, 1)
        self.dense = None
        if hidden is not None:
            first = nn.Linear(2 * factors, hidden)
            drop, last = nn.Dropout(0.75), nn.Linear(hidden, 1)
            self.dense = nn.Sequential(nn.Dropout(0.3), first, nn.ReLU(), drop, last)

    def forward(self, users: Tensor, movies: Tensor) -> Tensor:
        """Return predictions [B]."""
        p, q = self.users(users), self.movies(movies)
        if self.dense is not None:
            return self.dense(torch.cat([p, q], dim=1)).squeeze(1)
        biases = self.user_bias(users) + self.movie_bias(movies)
        return (p * q).sum(dim=1) + biases.squeeze(1)


def textbook(factors: int, hidden: int | None, num_rows: int, num_steps: int) -> float:
    """Return the rows per second of the textbook loop."""
    rows = (
        torch.randint(0, NUM_USERS, (num_rows,)),
        torch.randint(0, NUM_MOVIES, (num_rows,)),
        torch.randint(1, 6, (num_rows,)).float(),
    )
    model = TextbookModel(factors, hidden)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.001)
    batches: Iterator[list[Tensor]] = iter(
        DataLoader(TensorDataset(*rows), batch_size=TEXTBOOK_ROWS, shuffle=True)
    )
    started = 0.0
    for step in range(WARM_UP_STEPS + num_steps):
        if step == WARM_UP_STEPS:
            started = time.perf_counter()
        users, movies, ratings = next(batches)
        optimiser.zero_grad()
        nn.functional.mse_loss(model(users, movies), ratings).backward()
        optimiser.step()
    return num_steps * TEXTBOOK_ROWS / (time.perf_counter() - started)


def make_job(
    name: str,
    settings: TrainConfig,
    *,
    train: Path,
    folder: Path,
    rows: dict[int, int],
    num_users: int = NUM_USERS,
    num_movies: int = NUM_MOVIES,
) -> TrainJob:
    """Return a job that trains on ratings by bucket, without valid, and writes to `folder`."""
    sizes = {"num_users": num_users, "num_movies": num_movies, "num_buckets": len(rows)}
    job = make_plain_job(folder, (rows, {}), settings, **sizes)
    paths = {"folder": str(folder), "train": (str(train),)}
    return replace(job, model_name=name, train_id=name, seed=1, **paths)


def run_rank(job: TrainJob, rank: int, num_ranks: int, port: int) -> None:
    """Train in this process as one of the ranks."""
    numbers = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": num_ranks, "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in numbers.items()})
    os.environ.update(LOCAL_WORLD_SIZE=str(num_ranks), MASTER_ADDR="127.0.0.1")
    os.environ.update(GLOO_SOCKET_IFNAME="lo")
    train_rank(job)


def run_ranks(job: TrainJob, num_ranks: int) -> list[dict[str, Any]]:
    """Train in as many fresh processes as ranks, set up as jobs do, and return the history."""
    os.environ.update(WANTED)  # read when a process starts
    shutil.rmtree(job.folder, ignore_errors=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    ranks = [
        context.Process(target=run_rank, args=(job, rank, num_ranks, port))
        for rank in range(num_ranks)
    ]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join()
    if any(rank.exitcode for rank in ranks):
        raise SystemExit(f"a rank failed: {[rank.exitcode for rank in ranks]}")
    lines = (Path(job.folder) / "history.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def train_epoch(
    settings: TrainConfig, data: Path, folder: Path, rows: dict[int, int]
) -> dict[str, float]:
    """Train one epoch with recspark and return its record in the history."""
    shutil.rmtree(folder, ignore_errors=True)
    job = make_job("benchmark", settings, train=data / "train", folder=folder, rows=rows)
    run_rank(job, 0, 1, port=29871)
    return json.loads((folder / "history.jsonl").read_text().splitlines()[0])


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", default="netflix_mf_large")
    parser.add_argument("--num_ratings", type=int, default=5_000_000, help="rows of an epoch")
    parser.add_argument("--num_buckets", type=int, default=64)
    parser.add_argument("--textbook_steps", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path("runs/benchmark"))
    arguments = parser.parse_args()
    arguments.stage = "train"
    words = ["--name", "benchmark", "--models", arguments.preset, "--train.epochs", "1"]
    # Measure a typical epoch, not the last one of a schedule.
    words = [*words, "--train.schedule", "decay", "--train.warmup_epochs", "0"]
    settings = load_model_configs(words, prog="benchmark")[arguments.preset].train
    work = arguments.work.resolve()
    per_bucket = arguments.num_ratings // arguments.num_buckets
    rows = dict.fromkeys(range(arguments.num_buckets), per_bucket)
    data = work / f"train-{arguments.num_ratings}-{arguments.num_buckets}"
    make_data(data, rows, 131_072)
    dense = [int(one.split()[1]) for one in settings.layers if one.startswith("dense")]
    hidden = dense[0] if dense else None
    found: dict[str, list[float]] = {"recspark": [], "textbook": [], "feed share": []}
    for number in range(arguments.repeats):
        record = train_epoch(settings, data, work / "train-model", rows)
        found["recspark"].append(sum(rows.values()) / record["seconds"])
        found["feed share"].append(record["seconds_feed"] / record["seconds"])
        speed = textbook(settings.embedding_size, hidden, 1_000_000, arguments.textbook_steps)
        found["textbook"].append(speed)
        print(f"run {number + 1}: {record['seconds']:.1f} s per epoch", file=sys.stderr)
    medians = {name: statistics.median(values) for name, values in found.items()}
    head = header(arguments) | {"preset": arguments.preset}
    print(json.dumps(head, indent=1))
    print(
        f"recspark {medians['recspark']:,.0f} rows/s, textbook {medians['textbook']:,.0f}, ratio "
        f"{medians['recspark'] / medians['textbook']:.1f}; feed {medians['feed share']:.1%} of the "
        f"epoch; 80 million ratings: {80e6 / medians['recspark']:,.0f} s"
    )
    save(work, f"train-{arguments.preset}", head | {"runs": found})
    return 0


if __name__ == "__main__":
    sys.exit(main())
