"""Ingest generated ratings with damaged lines, and check that every line ends up where it belongs.

    python scripts/plant_faults.py --work /tmp/faults --num_ratings 100000000

Generates the ratings once. Copies them, and damages one line in --every in one of ten ways. Ingests
the copy and compares the result with its own reading of the files. `rejects` must hold exactly the
damaged lines with file, line, offset and text. `ratings` must hold every good line (compared by
count and by a sum of hashes). Memory does not grow with the data. The data takes about 60 bytes of
disk per rating.
"""

from __future__ import annotations

import argparse
import logging
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from recspark.cluster.environment import check_environment
from recspark.config import Config, IngestConfig, SparkConfig
from recspark.contract import columns as c
from recspark.contract.paths import RunPaths
from recspark.errors import RecsparkError
from recspark.files import parquet, storage
from recspark.logs import configure_logging
from recspark.synthetic.faults import Fault, plant_faults

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

BLOCK_BYTES = 16 * 1024 * 1024
FULL_USERS, FULL_MOVIES, FULL_RATINGS = 480_189, 17_770, 100_480_507

Numbers = npt.NDArray[np.int64]
Checksum = tuple[int, int]
"""Number of rows, and the sum of their hashes modulo 2^64. It does not depend on their order."""


def main() -> int:
    """Run the check that the command line describes; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", required=True, help="folder for the data, created if missing")
    parser.add_argument("--num_ratings", type=int, default=1_000_000, help="good and damaged lines")
    parser.add_argument("--every", type=int, default=100_000, help="lines per damaged line")
    parser.add_argument("--seed", type=int, default=42, help="seed of the data and of the damage")
    options = parser.parse_args()
    configure_logging()
    try:
        check_environment()
        from recspark.cluster.session import create_session

        spark = create_session(SparkConfig(), app_name="plant_faults")
        try:
            problems = check(options, spark)
        finally:
            spark.stop()
    except RecsparkError as error:
        logging.getLogger("recspark.plant_faults").error("plant_faults failed: %s", error)
        return error.exit_code
    for problem in problems:
        print(f"WRONG: {problem}")
    print("some lines are not where they belong" if problems else "every line is where it belongs")
    return 1 if problems else 0


def check(options: argparse.Namespace, spark: SparkSession) -> list[str]:
    """Generate, damage and ingest the data; return what is wrong with the result."""
    from recspark.stages import ingest

    work = Path(options.work).resolve()
    clean, damaged = work / f"clean-{options.num_ratings}-{options.seed}", work / "damaged"
    generate_clean(clean, options, spark)
    damaged.mkdir(exist_ok=True)
    faults: list[Fault] = []
    for number, path in enumerate(sorted(clean.glob("combined_data_*.txt"))):
        faults += plant_faults(
            str(path), str(damaged / path.name), every=options.every, seed=options.seed + number
        )
    settings = IngestConfig(
        format="netflix",
        ratings=str(damaged / "combined_data_*.txt"),
        movies=str(clean / "movie_titles.csv"),
        max_reject_fraction=1.0,
    )
    config = Config(name="faults", run_dir=str(work / "run"), force=True, ingest=settings)
    started = time.monotonic()
    ingest.run(config, spark)
    seconds = time.monotonic() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    paths = RunPaths(config.root)
    problems = compare_rejects(faults, paths.rejects)
    problems += compare_ratings(sorted(clean.glob("combined_data_*.txt")), faults, paths.ratings)
    kinds = Counter(fault.kind for fault in faults)
    print(f"{options.num_ratings:,} lines, {len(faults):,} damaged; ingest {seconds:.1f} s")
    print(f"peak memory of the driver's Python process until then: {peak:.0f} MiB")
    print("\n".join(f"  {count:>9,} {kind}" for kind, count in kinds.items()))
    storage.remove(str(damaged))
    storage.remove(config.root)
    return problems


def generate_clean(clean: Path, options: argparse.Namespace, spark: SparkSession) -> None:
    """Write the undamaged data set unless it exists. It is as dense as the Netflix set."""
    from recspark.synthetic.generate import generate, open_step
    from recspark.synthetic.settings import GenerateConfig

    share = (options.num_ratings / FULL_RATINGS) ** 0.5
    config = GenerateConfig(
        output=str(clean),
        num_users=max(100, round(FULL_USERS * share)),
        num_movies=max(100, round(FULL_MOVIES * share)),
        num_ratings=options.num_ratings,
        seed=options.seed,
    )
    step = open_step(config)
    if not step.is_done():
        generate(config, step, spark)


def compare_rejects(faults: list[Fault], path: str) -> list[str]:
    """Return how `rejects` differs from the damaged lines."""
    names = [c.FILE, c.LINE, c.OFFSET, c.TEXT]
    tables = [pq.read_table(file, columns=names) for file in parquet.parquet_files(path)]
    found = Counter(tuple(row[name] for name in names) for t in tables for row in t.to_pylist())
    expected = Counter(
        (x.path, x.line, x.offset, x.text.decode("utf-8", "backslashreplace")) for x in faults
    )
    problems = [f"damaged line missing in rejects: {row}" for row in (expected - found)]
    return problems + [f"unexpected line in rejects: {row}" for row in (found - expected)]


def compare_ratings(files: list[Path], faults: list[Fault], path: str) -> list[str]:
    """Return how `ratings` differs from the clean files without the damaged lines."""
    damaged = {(Path(fault.path).name, fault.line) for fault in faults}
    expected = combine(checksum_text(file, damaged) for file in files)
    found = combine(checksum_parquet(file) for file in parquet.parquet_files(path))
    if found == expected:
        return []
    return [f"ratings has {found[0]:,} rows (sum {found[1]}), expected {expected[0]:,} {expected}"]


def combine(sums: Iterator[Checksum]) -> Checksum:
    """Return the checksum of all the rows behind these checksums."""
    rows, total = 0, 0
    for num, value in sums:
        rows, total = rows + num, (total + value) % 2**64
    return rows, total


def checksum_text(path: Path, damaged: set[tuple[str, int]]) -> Checksum:
    """Return the checksum of a clean file without the damaged lines, parsed with NumPy.

    A rating line ends in `,R,YYYY-MM-DD`, so everything after the user id has a fixed position.
    """
    skip = np.array(sorted(line for name, line in damaged if name == path.name), dtype=np.int64)
    sums, movie, line = [], 0, 1
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            block += b"" if block.endswith(b"\n") else file.readline()
            text = np.frombuffer(block, np.uint8)
            ends = np.flatnonzero(text == ord("\n"))
            starts = np.concatenate([[0], ends[:-1] + 1])
            is_header = text[ends - 1] == ord(":")
            # The movie of a line is in the last header above it, perhaps in an earlier block.
            ids = np.where(is_header, number_at(text, starts, ends - 1), 0)
            above = np.maximum.accumulate(np.where(is_header, np.arange(len(ends)), -1))
            movies = np.where(above < 0, movie, ids[above])
            good = ~is_header & ~np.isin(np.arange(line, line + len(ends)), skip)
            ends_of, movie, line = ends[good], int(movies[-1]), line + len(ends)
            sums.append(
                checksum_rows(
                    number_at(text, starts[good], ends_of - 13),
                    movies[good],
                    text[ends_of - 12].astype(np.int64) - ord("0"),
                    86_400 * days_at(text, ends_of),
                )
            )
    return combine(iter(sums))


def number_at(text: npt.NDArray[np.uint8], starts: Numbers, ends: Numbers) -> Numbers:
    """Return the numbers whose digits are at positions starts … ends-1."""
    values = np.zeros(len(starts), np.int64)
    for place in range(10):
        at = np.minimum(starts + place, len(text) - 1)
        digits = text[at].astype(np.int64) - ord("0")
        values = np.where(starts + place < ends, values * 10 + digits, values)
    return values


def days_at(text: npt.NDArray[np.uint8], ends: Numbers) -> Numbers:
    """Return the days since 1970 of the dates YYYY-MM-DD that end at these positions."""
    year, month, day = (
        number_at(text, ends - first, ends - last) for first, last in ((10, 6), (5, 3), (2, 0))
    )
    months = ((year - 1970) * 12 + month - 1).astype("M8[M]")
    return months.astype("M8[D]").astype(np.int64) + day - 1


def checksum_parquet(path: str) -> Checksum:
    """Return the checksum of a Parquet file of ratings."""
    sums = []
    for batch in pq.ParquetFile(path).iter_batches():
        seconds = batch.column(c.RATED_AT).cast(pa.timestamp("s", "UTC")).cast(pa.int64())
        ids = batch.column(c.USER_ID), batch.column(c.MOVIE_ID)
        columns = (*ids, batch.column(c.RATING), seconds)
        sums.append(checksum_rows(*(column.to_numpy().astype(np.int64) for column in columns)))
    return combine(iter(sums))


def checksum_rows(users: Numbers, movies: Numbers, ratings: Numbers, times: Numbers) -> Checksum:
    """Return the checksum of these rows."""
    values = np.zeros(len(users), np.uint64)
    for column in (users, movies, ratings, times):
        values = (values ^ column.astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        values ^= values >> np.uint64(29)
    return len(users), int(values.sum(dtype=np.uint64))


if __name__ == "__main__":
    sys.exit(main())
