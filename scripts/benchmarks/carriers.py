"""Measure both carriers of the shuffle: files on a shared disk, and Spark's own shuffle.

    python scripts/benchmarks/run.py carriers --num_rows 20000000

Tasks make the same random rows each time, send them to the tasks of their buckets, and these return
a checksum of what they received in its order. The two carriers run in turn, in a process each, and
their checksums must be equal. Prints seconds, rows per second and peak memory.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from common import Usage, describe_machine, print_table, run, save

from recspark.cluster import shuffle as module
from recspark.cluster.arrow_blocks import Block, partition_rows
from recspark.cluster.session import create_session
from recspark.cluster.tasks import spread
from recspark.config import SparkConfig

CARRIERS = ("files", "spark")
BLOCK_ROWS = 4_000_000
NUM_KEYS = 64


def make_blocks(seeds: Iterable[int]) -> Iterator[Block]:
    """Yield the rows of each seed by bucket, with the columns that prepare sends."""
    for seed in seeds:
        draw = np.random.default_rng(seed)
        users = draw.integers(0, 480_189, BLOCK_ROWS).astype(np.int32)
        columns = [
            users,
            draw.integers(0, 17_770, BLOCK_ROWS).astype(np.int32),
            draw.integers(1, 6, BLOCK_ROWS).astype(np.float32),
            draw.integers(0, 2**30, BLOCK_ROWS).astype(np.int32),
        ]
        batch = pa.RecordBatch.from_arrays(
            [pa.array(column) for column in columns], ["user", "movie", "rating", "time"]
        )
        yield from partition_rows(batch, users % NUM_KEYS, NUM_KEYS)


def checksum(key: int, batches: Iterator[pa.RecordBatch]) -> tuple[int, int]:
    """Return the number of rows of a key, and a checksum of them in their order."""
    num_rows = total = 0
    for batch in batches:
        num_rows += batch.num_rows
        for column in batch.columns:
            total = zlib.crc32(column.to_numpy(), total)
    return num_rows, total


def measure(carrier: str, num_rows: int, cores: int) -> None:
    """Run one shuffle and print its rows, seconds and checksum as JSON."""
    settings = SparkConfig(master=f"local[{cores}]", driver_memory="4g")
    spark = create_session(settings, "carriers")
    seeds = list(range(-(-num_rows // BLOCK_ROWS)))
    blocks = spread(spark, seeds, len(seeds)).mapPartitions(make_blocks)
    if carrier == "spark":
        module.storage.is_local = lambda fs: False  # type: ignore[assignment]
    with tempfile.TemporaryDirectory() as root:
        started = time.perf_counter()
        found = module.shuffle(spark, blocks, NUM_KEYS, checksum, root)
        seconds = time.perf_counter() - started
    rows, total = sum(n for n, _ in found), zlib.crc32(np.array([x for _, x in found]))
    spark.stop()
    print(json.dumps({"rows": rows, "seconds": seconds, "checksum": int(total)}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--num_rows", type=int, default=20_000_000)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path("runs/benchmarks"))
    parser.add_argument("--carrier", choices=CARRIERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.carrier:
        measure(arguments.carrier, arguments.num_rows, arguments.cores)
        return
    machine = describe_machine()
    usages: dict[str, list[Usage]] = {carrier: [] for carrier in CARRIERS}
    checksums = set()

    def read(out: str) -> tuple[int, float]:
        last = json.loads(out.strip().splitlines()[-1])
        checksums.add(last["checksum"])
        return last["rows"], last["seconds"]

    own = [sys.executable, __file__, "--num_rows", str(arguments.num_rows)]
    for _ in range(arguments.repeats):
        for carrier in CARRIERS:
            command = [*own, "--cores", str(arguments.cores), "--carrier", carrier]
            usages[carrier].append(run(command, read))
    if len(checksums) != 1:
        raise SystemExit(f"the carriers do not bring the same rows: checksums {checksums}")
    print_table(list(CARRIERS), usages)
    record = {name: [vars(usage) for usage in found] for name, found in usages.items()}
    save(arguments.work, "carriers", {"machine": machine, "usages": record})


if __name__ == "__main__":
    main()
