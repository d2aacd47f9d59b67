"""Measure ingest and prepare with several sets of packages, in turn, on the same ratings.

    python scripts/benchmarks/packages.py .venv-spark-3.5/bin/python .venv/bin/python

Each interpreter runs both stages as jobs of their own. Work seconds are those of the manifests;
wall seconds also contain the start of Python, Java and Spark. The first interpreter is the
yardstick.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from common import from_manifest, header, make_data, save, stage_command

DATA_SETS = {"ingest": "ratings", "prepare": "train"}


def measure(python: str, stage: str, data: Path, run_dir: Path, cores: int) -> dict[str, float]:
    """Run one stage with one interpreter; return its wall and work seconds."""
    command = [python, *stage_command(stage, data, run_dir, cores, [])[1:]]
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wall = time.monotonic() - started
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    return {"wall": wall, "work": from_manifest(str(run_dir / DATA_SETS[stage]))("")[1]}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("interpreters", nargs="+", help="a Python of each set, the yardstick first")
    parser.add_argument("--num_ratings", type=int, default=20_000_000)
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--work", type=Path, default=Path("runs/benchmark"))
    arguments = parser.parse_args()
    arguments.stage = "packages"
    work = arguments.work.resolve()
    data = make_data(work, arguments.num_ratings)
    head = header(arguments)
    runs: dict[str, dict[str, list[dict[str, float]]]] = {
        python: {stage: [] for stage in DATA_SETS} for python in arguments.interpreters
    }
    for number in range(arguments.repeats):
        for place, python in enumerate(arguments.interpreters):
            for stage in DATA_SETS:
                run_dir = work / f"packages-{place}"
                one = measure(python, stage, data, run_dir, arguments.cores)
                runs[python][stage].append(one)
                print(f"run {number + 1}: {python} {stage} {one['work']:.2f} s", file=sys.stderr)
    print(json.dumps(head, indent=1))
    for figure in ("work", "wall"):
        for stage in DATA_SETS:
            medians = {
                python: statistics.median(one[figure] for one in stages[stage])
                for python, stages in runs.items()
            }
            first = medians[arguments.interpreters[0]]
            for python, seconds in medians.items():
                print(f"{stage:8} {figure} {seconds:7.2f} s  {seconds / first:.2f}  {python}")
    save(work, f"packages-{arguments.num_ratings}", head | {"runs": runs})
    return 0


if __name__ == "__main__":
    sys.exit(main())
