"""Measure a stage at scale against the plain way of doing the same, in turn, in one run.

    python scripts/benchmark.py ingest  --num_ratings 100000000
    python scripts/benchmark.py prepare --num_ratings 100000000 --repeats 3

Makes its data once under --work, then runs the stage and its yardsticks alternately, each in a
process of its own, and prints rows per second, their ratio, CPU seconds, peak memory of driver, JVM
and Python workers, and bytes in and out; the same as JSON under --work/results.
Arguments that are not its own go to the stage, e.g. --ingest.split_bytes 67108864.
"""

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
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path

import psutil

from recspark.cluster.environment import package_versions
from recspark.datasets.manifest import read_manifest

HERE = Path(__file__).resolve().parent
SAMPLE_SECONDS = 0.2


@dataclass
class Usage:
    """What one run of a command used: itself and all its descendants, sampled."""

    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_mib: dict[str, float] = field(default_factory=dict)
    rows: int = 0
    work_seconds: float = 0.0
    """Seconds of the work itself, as the command reports it, without start-up."""

    @property
    def rows_per_second(self) -> float:
        return self.rows / self.work_seconds


def role(process: psutil.Process, driver: int) -> str:
    """Return which part of a Spark application a process is."""
    if process.pid == driver:
        return "driver"
    return "jvm" if process.name() == "java" else "workers"


def run(command: list[str], work_seconds: Callable[[str], tuple[int, float]]) -> Usage:
    """Run a command to its end and return what it used.

    Args:
        command: Program and arguments.
        work_seconds: From the command's standard output, the rows and seconds of its work.
    """
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    peak: dict[str, int] = {}
    cpu: dict[int, float] = {}
    while process.poll() is None:
        now: dict[str, int] = {"all": 0}
        for one in [*psutil.Process(process.pid).children(recursive=True), _self(process.pid)]:
            try:
                memory, times = one.memory_info().rss, one.cpu_times()
                part = role(one, process.pid)
            except psutil.Error:
                continue
            cpu[one.pid] = times.user + times.system
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


def _self(pid: int) -> psutil.Process:
    return psutil.Process(pid)


def from_report(out: str) -> tuple[int, float]:
    """Return rows and seconds from a yardstick's last line."""
    last = json.loads(out.strip().splitlines()[-1])
    return last["rows"], last["seconds"]


def from_manifest(path: str) -> Callable[[str], tuple[int, float]]:
    """Return a reader of rows and seconds from the manifest that a stage just wrote."""

    def read(_: str) -> tuple[int, float]:
        manifest = read_manifest(path)
        if manifest is None:
            raise SystemExit(f"{path}: found no finished data set")
        return int(manifest.counts.get("ratings", manifest.num_rows)), manifest.seconds

    return read


def make_data(work: Path, num_ratings: int) -> Path:
    """Generate Netflix-format text of so many ratings, once; return its folder."""
    folder = work / f"data-{num_ratings}"
    if not folder.exists():
        print(f"generating {num_ratings:,} ratings …", file=sys.stderr)
        # Users and movies as in the real set, fewer where the ratings would not fill them.
        share = min(1.0, num_ratings / 100_480_507)
        command = [
            *(sys.executable, str(HERE / "generate_ratings.py"), "--output", str(folder)),
            *("--num_ratings", str(num_ratings)),
            *("--num_users", str(max(1000, int(480_189 * share)))),
            *("--num_movies", str(max(500, int(17_770 * share**0.5)))),
        ]
        subprocess.run(command, check=True)
    return folder


def stage_command(stage: str, data: Path, run_dir: Path, cores: int, extra: list[str]) -> list[str]:
    """Return the command line that runs one stage on the benchmark's data."""
    return [
        *(sys.executable, str(HERE.parent / "jobs" / f"{stage}.py")),
        *("--name", "benchmark", "--run_dir", str(run_dir), "--force"),
        *("--spark.master", f"local[{cores}]", "--spark.driver_memory", "4g"),
        *("--ingest.format", "netflix", "--ingest.ratings", f"{data}/combined_data_*.txt"),
        *("--ingest.movies", f"{data}/movie_titles.csv"),
        *("--prepare.num_buckets", "64", *extra),
    ]


Measurement = tuple[str, list[str], Callable[[str], tuple[int, float]]]


def measurements(arguments: argparse.Namespace, data: Path, run_dir: Path) -> list[Measurement]:
    """Return the stage first, then its yardsticks: name, command, reader of its result."""
    yardstick = [sys.executable, str(HERE / "yardsticks.py")]
    files = sorted(str(path) for path in data.glob("combined_data_*.txt"))
    ratings, train = str(run_dir / "ratings"), str(run_dir / "train")
    command = stage_command(arguments.stage, data, run_dir, arguments.cores, arguments.extra)
    master = ["--master", f"local[{arguments.cores}]"]
    if arguments.stage == "ingest":
        return [
            ("recspark ingest", command, from_manifest(ratings)),
            ("notebook loop + pandas", [*yardstick, "notebook_ingest", *files], from_report),
            ("pyarrow parse alone", [*yardstick, "arrow_parse", *files], from_report),
        ]
    plain = [*yardstick, "plain_prepare", ratings, *master]
    return [
        ("recspark prepare", command, from_manifest(train)),
        ("plain Spark", plain, from_report),
    ]


def header(arguments: argparse.Namespace) -> dict[str, object]:
    """Return what a figure means nothing without: stage and size, machine, load, versions, date."""
    size = {"stage": arguments.stage, "num_ratings": arguments.num_ratings}
    return size | describe_machine()


def describe_machine() -> dict[str, object]:
    """Return date, machine, its load, and versions."""
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, "
        f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "load_before": os.getloadavg()[0],
        "versions": package_versions(),
    }


def print_table(names: list[str], runs: dict[str, list[Usage]]) -> None:
    """Print medians of each way and the first one's ratio to the others."""
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
    """Write a benchmark's figures to `<work>/results/<name>-<time>.json` and say where."""
    results = work / "results"
    results.mkdir(parents=True, exist_ok=True)
    file = results / f"{name}-{int(time.time())}.json"
    file.write_text(json.dumps(record, indent=1))
    print(f"written to {file}", file=sys.stderr)


def folder_bytes(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stage", choices=["ingest", "prepare"])
    parser.add_argument("--num_ratings", type=int, default=10_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cores", type=int, default=2, help="Spark's local cores")
    parser.add_argument("--work", type=Path, default=Path("runs/benchmark"))
    parser.add_argument("--alone", action="store_true", help="without the yardsticks")
    arguments, arguments.extra = parser.parse_known_args()
    work = arguments.work.resolve()
    data = make_data(work, arguments.num_ratings)
    run_dir = work / f"run-{arguments.num_ratings}"
    if arguments.stage == "prepare" and not (run_dir / "ratings").exists():
        subprocess.run(stage_command("ingest", data, run_dir, arguments.cores, []), check=True)
    ways = measurements(arguments, data, run_dir)[: 1 if arguments.alone else None]
    names = [name for name, _, _ in ways]
    runs: dict[str, list[Usage]] = {name: [] for name in names}
    head = header(arguments)
    for number in range(arguments.repeats):
        for name, command, result in ways:
            runs[name].append(run(command, result))
            print(f"run {number + 1}: {name} {runs[name][-1].work_seconds:.1f} s", file=sys.stderr)
    outputs = ["ratings"] if arguments.stage == "ingest" else ["train", "valid", "test"]
    sizes = {
        "bytes_in": folder_bytes(data if arguments.stage == "ingest" else run_dir / "ratings"),
        "bytes_out": sum(folder_bytes(run_dir / name) for name in outputs),
    }
    print(json.dumps(head | sizes, indent=1))
    print_table(names, runs)
    record = {name: [asdict(usage) for usage in usages] for name, usages in runs.items()}
    save(work, f"{arguments.stage}-{arguments.num_ratings}", head | sizes | {"runs": record})
    return 0


if __name__ == "__main__":
    sys.exit(main())
