"""Measure a stage at scale against the plain way of doing the same, alternately, in one run.

    python scripts/benchmarks/stages.py ingest  --num_ratings 100000000
    python scripts/benchmarks/stages.py prepare --num_ratings 100000000 --repeats 3

Makes its data once under --work, then runs the stage and its yardsticks alternately, each in its
own process. Prints rows per second, their ratio, CPU seconds, peak memory of driver, JVM and Python
workers, and bytes in and out. Writes the same as JSON under --work/results. Passes unknown
arguments to the stage, e.g. --ingest.split_bytes 67108864.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from common import (
    HERE,
    Usage,
    from_manifest,
    from_report,
    header,
    make_data,
    print_table,
    run,
    save,
    stage_command,
)

Measurement = tuple[str, list[str], Callable[[str], tuple[int, float]]]


def measurements(arguments: argparse.Namespace, data: Path, run_dir: Path) -> list[Measurement]:
    """Return (name, command, reader of the result) of the stage, then of its yardsticks."""
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
