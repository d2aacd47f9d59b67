"""Run the pipeline ten times in a row and show what grows: memory, threads, temporary files.

    python scripts/benchmarks/soak.py session --config conf/sample.yaml    # all in one session
    python scripts/benchmarks/soak.py processes --config conf/sample.yaml  # one process per run

Every run repeats all stages (--force). After each run, the script records the resident memory of
this process and of the JVM after a garbage collection, their threads and open files, child
processes, and the files and folders in a temporary folder of its own. It compares the last run with
the third, because the first two fill caches. The exit code is 1 if something grew.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from common import JOBS

WARM_RUNS = 3
# Figures may exceed those after the warm-up by this share, and at least by this amount, which is
# the noise of allocators and pools.
ALLOWED = {
    "python_mib": (0.05, 20),
    "jvm_mib": (0.10, 60),
    "jvm_heap_mib": (0.10, 10),
    "python_threads": (0.0, 2),
    "jvm_threads": (0.10, 5),
    "open_files": (0.0, 10),
    "children": (0.0, 2),
    "temporary_files": (0.0, 0),
}


def count_files(folder: Path) -> int:
    """Return the number of files and folders below a folder, without the JVM's performance data."""
    return sum("hsperfdata" not in str(path) for path in folder.rglob("*"))


def measure_usage(spark: Any, temporary: Path) -> dict[str, float]:
    """Return what this process, its JVM and the temporary folder hold now."""
    me = psutil.Process()
    found: dict[str, float] = {
        "python_mib": me.memory_info().rss / 2**20,
        "python_threads": me.num_threads(),
        "open_files": me.num_fds(),
        "children": len(me.children(recursive=True)),
        "temporary_files": count_files(temporary),
    }
    if spark is not None:
        runtime = spark.sparkContext._jvm.java.lang.Runtime.getRuntime()
        for _ in range(2):
            runtime.gc()
            time.sleep(0.5)  # Spark's cleaner deletes the files of collected objects
        (jvm,) = [one for one in me.children(recursive=True) if one.name() == "java"]
        found |= {
            "jvm_mib": jvm.memory_info().rss / 2**20,
            "jvm_heap_mib": (runtime.totalMemory() - runtime.freeMemory()) / 2**20,
            "jvm_threads": jvm.num_threads(),
            "temporary_files": count_files(temporary),
        }
    return found


def soak_session(words: list[str], num_runs: int, temporary: Path) -> list[dict[str, float]]:
    """Run the stages `num_runs` times in this process; return the usage after each run."""
    from recspark.cluster.session import create_session
    from recspark.config.load import load_config, load_model_configs
    from recspark.logs import configure_logging
    from recspark.stages import pipeline

    configure_logging()
    config = load_config(words, prog="soak.py")
    models = load_model_configs(words, prog="soak.py")
    spark = create_session(config.spark, app_name="soak")
    found = []
    for _ in range(num_runs):
        pipeline.run(config, models, spark)
        found.append(measure_usage(spark, temporary))
        show(found)
    spark.stop()
    return found


def soak_processes(words: list[str], num_runs: int, temporary: Path) -> list[dict[str, float]]:
    """Run the pipeline job `num_runs` times; return what each run leaves behind."""
    command = [sys.executable, str(JOBS / "pipeline.py"), *words]
    found = []
    for _ in range(num_runs):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr[-3000:])
        found.append(measure_usage(None, temporary))
        show(found)
    return found


def show(found: list[dict[str, float]]) -> None:
    line = " ".join(f"{name} {value:.0f}" for name, value in found[-1].items())
    print(f"run {len(found)}: {line}", file=sys.stderr, flush=True)


def find_growth(found: list[dict[str, float]]) -> list[str]:
    """Return the figures that grew from the warm-up to the last run by more than is allowed."""
    before, after = found[min(WARM_RUNS, len(found)) - 1], found[-1]
    grown = []
    for name, value in before.items():
        share, amount = ALLOWED[name]
        if after[name] > value + max(share * value, amount):
            grown.append(f"{name}: {value:.0f} → {after[name]:.0f}")
    return grown


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("way", choices=["session", "processes"])
    parser.add_argument("--runs", type=int, default=10)
    arguments, words = parser.parse_known_args()
    temporary = Path(tempfile.mkdtemp(prefix="soak-"))
    # Set the temporary folder of Python, Spark and the JVM before any of them reads it.
    os.environ |= {
        "TMPDIR": str(temporary),
        "SPARK_LOCAL_DIRS": str(temporary),
        "JAVA_TOOL_OPTIONS": f"-Djava.io.tmpdir={temporary}",
    }
    tempfile.tempdir = None
    words = [*words, "--force", "--run_dir", str(temporary.with_suffix(".run"))]
    try:
        soak = soak_session if arguments.way == "session" else soak_processes
        found = soak(words, arguments.runs, temporary)
        if arguments.way == "session":
            print(f"left when the session was stopped: {count_files(temporary)} temporary files")
    finally:
        shutil.rmtree(temporary)
        shutil.rmtree(temporary.with_suffix(".run"), ignore_errors=True)
    print(json.dumps(found, indent=1))
    grown = find_growth(found)
    print("grew: " + "; ".join(grown) if grown else "nothing grew")
    return 1 if grown else 0


if __name__ == "__main__":
    sys.exit(main())
