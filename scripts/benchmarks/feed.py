"""Measure the feed against Petastorm's own loaders, alternately, in one process.

    python scripts/benchmarks/feed.py
    python scripts/benchmarks/feed.py --num_buckets 64 --row_group_rows 131072 --memory_mib 200

Writes Parquet in the layout of `train` once under --work. Each round runs one epoch of every feed.
The resident feed and InMemBatchedDataLoader start with the ratings in memory. The streaming feed
(with either `train.reader`) and BatchedDataLoader (with a shuffling queue of 500,000) read the
files, and their time includes opening them. `reading` is what the resident feed does once, before
its first epoch. With the defaults, the streaming buffers hold as many rows as that queue.

Then measures the quality of each shuffle on rows that carry their stored position: Spearman's rank
correlation of positions before and after, over all rows and within buckets, and between two epochs.
0 is a perfect shuffle.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from common import header, save

from recspark.arrays.compiled import Threads
from recspark.arrays.user_buckets import Shard
from recspark.config import TrainConfig
from recspark.contract import columns as c
from recspark.training.batches import Batches
from recspark.training.feed import open_batches, read_ratings
from recspark.training.petastorm_reader import make_batch_reader
from recspark.training.plan import StepPlan

COLUMNS = [c.USER_INDEX, c.MOVIE_INDEX, c.RATING]
NUM_USERS, NUM_MOVIES = 480_189, 17_770
QUEUE_ROWS = 500_000
RESIDENT, STREAMING = "recspark resident", "recspark streaming, petastorm"
STREAMING_ARROW = "recspark streaming, arrow"
READING, READING_ARROW = "reading, petastorm", "reading, arrow"
IN_MEMORY, QUEUE = "InMemBatchedDataLoader", "BatchedDataLoader"
TARGETS = [
    (RESIDENT, IN_MEMORY, 10.0),
    (RESIDENT, QUEUE, 4.0),
    (STREAMING, QUEUE, 2.0),
    (STREAMING_ARROW, STREAMING, 1.0),
    (READING_ARROW, READING, 1.0),
]

Ways = dict[str, Callable[[int], Iterator[torch.Tensor]]]


def make_data(folder: Path, bucket_rows: Mapping[int, int], row_group_rows: int) -> None:
    """Write two data sets by bucket unless they exist: ratings, and positions as movies."""
    if folder.exists():
        return
    print(f"writing {sum(bucket_rows.values()):,} rows …", file=sys.stderr)
    start = 0
    for bucket, rows in bucket_rows.items():
        rng = np.random.default_rng(bucket)
        users = rng.integers(NUM_USERS // len(bucket_rows), size=rows) * len(bucket_rows) + bucket
        movies = (NUM_MOVIES * rng.random(rows) ** 3).astype(np.int32)
        for name, index in (("train", movies), ("positions", np.arange(start, start + rows))):
            target = folder / name / f"{c.BUCKET}={bucket}"
            target.mkdir(parents=True)
            table = pa.table(
                {
                    c.USER_INDEX: pa.array(users, pa.int32()),
                    c.MOVIE_INDEX: pa.array(index, pa.int32()),
                    c.RATING: pa.array(rng.integers(1, 6, rows), pa.float32()),
                    c.RATED_AT: pa.array(rng.integers(2000 * 86_400, size=rows), pa.int32()),
                }
            )
            pq.write_table(table, target / "part-0.parquet", row_group_size=row_group_rows)
        start += rows


def make_ways(arguments: argparse.Namespace, bucket_rows: dict[int, int], data: Path) -> Ways:
    """Return a function per feed that iterates over the movie column of one epoch's batches."""
    # Import Petastorm after recspark's adapter, which makes it importable with current pyarrow.
    from petastorm.pytorch import BatchedDataLoader, InMemBatchedDataLoader

    plan = StepPlan(bucket_rows, arguments.batch_size, seed=1)
    shard = Shard(num_users=NUM_USERS, num_buckets=len(bucket_rows), rank=0, num_ranks=1)

    cpu = torch.device("cpu")

    def open_ours(feed: str, reader: str = "petastorm") -> Batches:
        settings = TrainConfig(feed=feed, reader=reader, feed_memory_mib=arguments.memory_mib)
        return open_batches((str(data),), bucket_rows, shard, plan, cpu, settings, Threads(1))

    resident = open_ours("resident")

    def epoch_of_resident(epoch: int) -> Iterator[torch.Tensor]:
        return (movies for _, movies, _ in resident.epoch_steps(epoch))

    def read(reader: str) -> Iterator[torch.Tensor]:
        settings = TrainConfig(reader=reader)
        yield read_ratings((str(data),), bucket_rows, shard, cpu, settings).movie_index

    def epoch_of_streaming(reader: str, epoch: int) -> Iterator[torch.Tensor]:
        streaming = open_ours("streaming", reader)
        yield from (movies for _, movies, _ in streaming.epoch_steps(epoch))
        streaming.close()

    def open_theirs(epoch: int) -> Iterable[object]:
        files = [f"file://{file}" for file in sorted(data.rglob("*.parquet"))]
        return make_batch_reader(files, schema_fields=COLUMNS, seed=epoch)

    def epoch_of_queue(epoch: int) -> Iterator[torch.Tensor]:
        with BatchedDataLoader(
            open_theirs(epoch), arguments.batch_size, shuffling_queue_capacity=QUEUE_ROWS
        ) as loader:
            yield from (batch[c.MOVIE_INDEX] for batch in loader)

    def epoch_in_memory(epoch: int) -> Iterator[torch.Tensor]:
        loader = InMemBatchedDataLoader(
            open_theirs(epoch),
            arguments.batch_size,
            rows_capacity=sum(bucket_rows.values()),
            shuffle=True,
            seed=epoch,
        )
        # Return an iterator, so that the timed code fetches the first batch, not this function.
        return (batch[c.MOVIE_INDEX] for batch in loader)

    return {
        RESIDENT: epoch_of_resident,
        STREAMING: partial(epoch_of_streaming, "petastorm"),
        STREAMING_ARROW: partial(epoch_of_streaming, "arrow"),
        READING: lambda epoch: read("petastorm"),
        READING_ARROW: lambda epoch: read("arrow"),
        QUEUE: epoch_of_queue,
        IN_MEMORY: epoch_in_memory,
    }


def measure(epoch: Iterator[torch.Tensor], expected: int) -> float:
    """Return the rows per second of one epoch."""
    started = time.perf_counter()
    rows = sum(len(batch) for batch in epoch)
    seconds = time.perf_counter() - started
    if rows != expected:
        raise SystemExit(f"epoch: found {rows:,} rows, expected {expected:,}")
    return rows / seconds


def shuffle_quality(
    epoch: Callable[[int], Iterator[torch.Tensor]], bucket_rows: Mapping[int, int]
) -> dict[str, float]:
    """Return rank correlations of an epoch's positions with the stored order and another epoch."""
    before, other = (torch.cat(list(epoch(number))).numpy() for number in (0, 1))
    ends = np.cumsum(list(bucket_rows.values()))
    bucket = np.searchsorted(ends, before, side="right")
    inside = [correlation(before[bucket == number]) for number in range(len(ends))]
    places = np.empty_like(other)
    places[other] = np.arange(len(other), dtype=other.dtype)
    return {
        "all_rows": correlation(before),
        "in_buckets_mean": statistics.fmean(inside),
        "in_buckets_mean_abs": statistics.fmean(abs(one) for one in inside),
        "between_epochs": correlation(places[before]),
    }


def correlation(values: np.ndarray) -> float:
    """Return the rank correlation of distinct values with their positions."""
    ranks = np.empty(len(values))
    ranks[np.argsort(values)] = np.arange(len(values))
    return float(np.corrcoef(ranks, np.arange(len(values)))[0, 1])


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--num_ratings", type=int, default=10_000_000)
    parser.add_argument("--num_buckets", type=int, default=8)
    parser.add_argument("--row_group_rows", type=int, default=65_536)
    parser.add_argument("--batch_size", type=int, default=65_536)
    parser.add_argument("--memory_mib", type=int, default=12, help="train.feed_memory_mib")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path("runs/benchmark"))
    arguments = parser.parse_args()
    arguments.stage = "feed"
    torch.set_num_threads(os.cpu_count() or 1)
    head = header(arguments) | {"settings": {k: str(v) for k, v in vars(arguments).items()}}
    share, rest = divmod(arguments.num_ratings, arguments.num_buckets)
    rows = {bucket: share + (bucket < rest) for bucket in range(arguments.num_buckets)}
    name = f"feed-{arguments.num_ratings}-{arguments.num_buckets}-{arguments.row_group_rows}"
    work = arguments.work.resolve()
    make_data(work / name, rows, arguments.row_group_rows)

    speeds: dict[str, list[float]] = {}
    for number in range(arguments.repeats):
        for way, epoch in make_ways(arguments, rows, work / name / "train").items():
            speeds.setdefault(way, []).append(measure(epoch(number), arguments.num_ratings))
            print(f"run {number + 1}: {way} {speeds[way][-1]:,.0f} rows/s", file=sys.stderr)
    medians = {way: statistics.median(each) for way, each in speeds.items()}
    positions = make_ways(arguments, rows, work / name / "positions")
    quality = {way: shuffle_quality(positions[way], rows) for way in (RESIDENT, STREAMING, QUEUE)}

    print(json.dumps(head, indent=1))
    for way, speed in medians.items():
        print(f"{way:32}{speed:14,.0f} rows/s")
    for way, yardstick, target in TARGETS:
        ratio = medians[way] / medians[yardstick]
        print(f"{way} / {yardstick}: {ratio:.1f} (target {target:g})")
    for way, figures in quality.items():
        print(f"{way:32}" + ", ".join(f"{key} {value:+.4f}" for key, value in figures.items()))
    save(work, name, head | {"rows_per_second": speeds, "shuffle": quality})
    return 0


if __name__ == "__main__":
    sys.exit(main())
