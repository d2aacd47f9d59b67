"""Shared parts of the benchmarks: measuring a command, making data, and reporting results."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

import psutil

from recspark.cluster.environment import package_versions
from recspark.datasets.manifest import read_manifest
from recspark.datasets.prepared import PreparedFacts
from recspark.datasets.resource_usage import measure_process

HERE = Path(__file__).resolve().parent
SCRIPTS, JOBS = HERE.parent, HERE.parents[1] / "jobs"
SAMPLE_SECONDS = 0.2

sys.path.append(str(SCRIPTS))


@dataclass
class Usage:
    """Resources that one run of a command and all its descendants used, by sampling.

    Memory is proportional where the kernel tells it: pages that processes share count once.
    """

    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_mib: dict[str, float] = field(default_factory=dict)
    rows: int = 0
    work_seconds: float = 0.0
    """Seconds of the work itself without start-up, as the command reports them."""

    @property
    def rows_per_second(self) -> float:
        return self.rows / self.work_seconds


def role(process: psutil.Process, driver: int) -> str:
    """Return which part of a Spark application a process belongs to."""
    if process.pid == driver:
        return "driver"
    return "jvm" if process.name() == "java" else "workers"


def run(command: list[str], work_seconds: Callable[[str], tuple[int, float]]) -> Usage:
    """Run a command to its end and return its resource usage.

    Args:
        command: Program and arguments.
        work_seconds: Returns the rows and seconds of the work from the command's standard output.
    """
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    peak: dict[str, int] = {}
    cpu: dict[int, float] = {}
    while process.poll() is None:
        now: dict[str, int] = {"all": 0}
        command_itself = psutil.Process(process.pid)
        for member in [*command_itself.children(recursive=True), command_itself]:
            try:
                memory, times = measure_process(member)[0], member.cpu_times()
                part = role(member, process.pid)
            except psutil.Error:
                continue
            cpu[member.pid] = times.user + times.system
            now[part] = now.get(part, 0) + memory
            now["all"] += memory
        for part, size in now.items():
            peak[part] = max(peak.get(part, 0), size)
        time.sleep(SAMPLE_SECONDS)
    out, err = process.communicate()
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{err[-3000:]}")
    rows, seconds = work_seconds(out)
    return Usage(
        wall_seconds=time.monotonic() - started,
        cpu_seconds=sum(cpu.values()),
        peak_mib={part: size / 2**20 for part, size in peak.items()},
        rows=rows,
        work_seconds=seconds,
    )


def from_report(out: str) -> tuple[int, float]:
    """Return rows and seconds from the last line that a yardstick printed."""
    last = json.loads(out.strip().splitlines()[-1])
    return last["rows"], last["seconds"]


def from_manifest(path: str) -> Callable[[str], tuple[int, float]]:
    """Return a function that reads rows and seconds from the manifest that a stage just wrote."""

    def read(_: str) -> tuple[int, float]:
        manifest = read_manifest(path)
        if manifest is None:
            raise SystemExit(f"{path}: found no finished data set")
        return int(manifest.counts.get("ratings", manifest.num_rows)), manifest.seconds

    return read


def make_data(work: Path, num_ratings: int) -> Path:
    """Generate Netflix-format text of this many ratings unless it exists; return its folder."""
    folder = work / f"data-{num_ratings}"
    if not folder.exists():
        print(f"generating {num_ratings:,} ratings …", file=sys.stderr)
        # As many users and movies as the Netflix set, or fewer in proportion to the ratings.
        share = min(1.0, num_ratings / 100_480_507)
        command = [
            *(sys.executable, str(SCRIPTS / "generate_ratings.py"), "--output", str(folder)),
            *("--num_ratings", str(num_ratings)),
            *("--num_users", str(max(1000, int(480_189 * share)))),
            *("--num_movies", str(max(500, int(17_770 * share**0.5)))),
        ]
        subprocess.run(command, check=True)
    return folder


def stage_command(stage: str, data: Path, run_dir: Path, cores: int, extra: list[str]) -> list[str]:
    """Return the command line that runs one stage on the benchmark's data."""
    return [
        *(sys.executable, str(JOBS / f"{stage}.py")),
        *("--name", "benchmark", "--run_dir", str(run_dir), "--force"),
        *("--spark.master", f"local[{cores}]", "--spark.driver_memory", "4g"),
        *("--ingest.format", "netflix", "--ingest.ratings", f"{data}/combined_data_*.txt"),
        *("--ingest.movies", f"{data}/movie_titles.csv"),
        *("--prepare.num_buckets", "64", *extra),
    ]


def header(arguments: argparse.Namespace) -> dict[str, object]:
    """Return the context of a figure: stage, size, machine, load, versions and date."""
    size = {"stage": arguments.stage, "num_ratings": arguments.num_ratings}
    return size | describe_machine()


def prepared_counts(num_users: int, num_movies: int, num_buckets: int) -> dict[str, object]:
    """Return the counts in the manifests of splits whose ratings are made up."""
    return PreparedFacts(
        num_users=num_users,
        num_movies=num_movies,
        num_buckets=num_buckets,
        rating_min=1.0,
        rating_max=5.0,
        rating_mean=3.6,
        rating_std=1.1,
        rating_values=(1.0, 2.0, 3.0, 4.0, 5.0),
    ).to_counts()


def describe_machine() -> dict[str, object]:
    """Return the date, the machine, its load, and the versions of packages."""
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, "
        f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "load_before": os.getloadavg()[0],
        "versions": package_versions(),
    }


def print_table(names: list[str], runs: dict[str, list[Usage]]) -> None:
    """Print the medians of each variant, and how many times faster the first variant is."""
    print(f"{'':24}{'rows/s':>12}{'ratio':>8}{'work s':>9}{'wall s':>9}{'CPU s':>9}  peak MiB")

    def median(name: str, figure: Callable[[Usage], float]) -> float:
        return statistics.median(figure(usage) for usage in runs[name])

    own = median(names[0], lambda usage: usage.rows_per_second)
    for name in names:
        speed = median(name, lambda usage: usage.rows_per_second)
        peaks = {
            part: median(name, lambda usage, part=part: usage.peak_mib.get(part, 0.0))
            for part in ("all", "driver", "jvm", "workers")
        }
        print(
            f"{name:24}{speed:12,.0f}{own / speed:8.2f}"
            f"{median(name, lambda usage: usage.work_seconds):9.1f}"
            f"{median(name, lambda usage: usage.wall_seconds):9.1f}"
            f"{median(name, lambda usage: usage.cpu_seconds):9.1f}  "
            + ", ".join(f"{part} {size:,.0f}" for part, size in peaks.items())
        )


def save(work: Path, name: str, record: dict[str, object]) -> None:
    """Write a benchmark's figures to `<work>/results/<date>-<name>.json` and print that path.

    A second result on the same day replaces the first.
    """
    results = work / "results"
    results.mkdir(parents=True, exist_ok=True)
    file = results / f"{datetime.now(timezone.utc):%Y-%m-%d}-{name}.json"
    file.write_text(json.dumps(record, indent=1) + "\n")
    print(f"written to {file}", file=sys.stderr)
