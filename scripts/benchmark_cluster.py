"""Measure ingest and prepare on a standalone cluster of two Workers against local mode, in turn.

    python scripts/benchmark_cluster.py --num_ratings 20000000

Both have the same two cores: local[2], and two Workers of one core on this machine. Both stages are
one application, `jobs/pipeline.py --until prepare`, Spark's start included in the wall seconds; the
work seconds are those of the manifests. With --apart each stage is a job of its own. The cluster is
started once and encrypts what it sends, as scripts/cluster.py sets it up.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmark import from_manifest, header, make_data, save, stage_command
from cluster import start, stop

from recspark.environment import ensure_java

HERE = Path(__file__).resolve().parent
DATA_SETS = {"ingest": "ratings", "prepare": "train"}
UNTIL_PREPARE: tuple[str, list[str]] = ("pipeline", ["--until", "prepare"])
MEMORY = ["--cores", "1", "--memory", "2g", "--driver-memory", "4g"]


def measure(command: list[str], environment: dict[str, str]) -> float:
    """Run a job to its end; return its wall seconds."""
    started = time.monotonic()
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr)[-3000:]}")
    return time.monotonic() - started


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--num_ratings", type=int, default=20_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path("runs/benchmark"))
    parser.add_argument("--apart", action="store_true", help="a job for each stage")
    arguments = parser.parse_args()
    jobs = [(stage, []) for stage in DATA_SETS] if arguments.apart else [UNTIL_PREPARE]
    arguments.stage = "ingest + prepare"
    work = arguments.work.resolve()
    data = make_data(work, arguments.num_ratings)
    folder = work / "cluster"
    url = start(folder, workers=2, cores=1, memory="3g", properties=[])
    settings = {
        "SPARK_CONF_DIR": str(folder / "conf"),
        "PYTHON": sys.executable,
        "JAVA_HOME": ensure_java(),
    }
    submit = [str(HERE / "submit.sh"), *MEMORY, url]
    runs: dict[str, list[dict]] = {"local": [], "cluster": []}
    head = header(arguments)
    try:
        for number in range(arguments.repeats):
            for way, seconds in runs.items():
                run_dir = work / f"{way}-{arguments.num_ratings}"
                wall = 0.0
                for job, words in jobs:
                    command = stage_command(job, data, run_dir, 2, words)
                    environment: dict[str, str] = {}
                    if way == "cluster":
                        command, environment = [*submit, job, *command[2:]], settings
                    wall += measure(command, environment)
                work_seconds = sum(
                    from_manifest(str(run_dir / data_set), stage)("")[1]
                    for stage, data_set in DATA_SETS.items()
                )
                seconds.append({"wall": wall, "work": work_seconds})
                print(f"run {number + 1}: {way} {wall:.1f} s", file=sys.stderr)
    finally:
        stop(folder)
    print(json.dumps(head, indent=1))
    for name in ("wall", "work"):
        local, clustered = (statistics.median(one[name] for one in runs[way]) for way in runs)
        ratio = clustered / local
        print(f"{name} seconds: local {local:.1f}, cluster {clustered:.1f}, ratio {ratio:.2f}")
    save(work, f"cluster-{arguments.num_ratings}", head | {"runs": runs})
    return 0


if __name__ == "__main__":
    sys.exit(main())
