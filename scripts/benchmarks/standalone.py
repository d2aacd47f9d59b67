"""Measure ingest and prepare on a standalone cluster of two Workers against local mode.

    python scripts/benchmarks/standalone.py --num_ratings 20000000

Both use the same two cores: local[2], and two Workers of one core each on this machine. Both stages
run in one application, `jobs/pipeline.py --until prepare`. The wall seconds include the start of
Spark; the work seconds are those in the manifests. The variants alternate. The cluster is measured
twice: as it is, and with executors that load their classes from an archive (docs/cluster.md, "Short
jobs"). A run that is not counted makes the archive first. With --apart each stage is a separate
job. The cluster is started once and encrypts its traffic, as scripts/cluster.py sets it up.
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

from common import SCRIPTS, from_manifest, header, make_data, save, stage_command

from recspark.cluster.java import ensure_java

DATA_SETS = {"ingest": "ratings", "prepare": "train"}
UNTIL_PREPARE: tuple[str, list[str]] = ("pipeline", ["--until", "prepare"])
MEMORY = ["--cores", "1", "--memory", "2g", "--driver-memory", "4g"]
ARCHIVE_SECONDS = 60


def measure(command: list[str], environment: dict[str, str]) -> float:
    """Run a job to its end and return its wall seconds."""
    started = time.monotonic()
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr)[-3000:]}")
    return time.monotonic() - started


def java_option(option: str) -> list[str]:
    """Return the arguments that pass an option to executors, beside those that recspark sets."""
    return ["--conf", f"spark.executor.defaultJavaOptions=-XX:{option}"]


def wait_until_complete(archive: Path) -> None:
    """Wait for the executor that writes the archive. It outlives its job by some seconds."""
    deadline = time.monotonic() + ARCHIVE_SECONDS
    size = 0
    while time.monotonic() < deadline:
        time.sleep(1)
        before, size = size, archive.stat().st_size if archive.exists() else 0
        if size and size == before:
            return
    raise SystemExit(f"{archive}: not complete after {ARCHIVE_SECONDS} s")


def main() -> int:
    from cluster import start, stop  # scripts/cluster.py

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--num_ratings", type=int, default=20_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path("runs/benchmark"))
    parser.add_argument("--apart", action="store_true", help="run each stage as a separate job")
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
    submit = [str(SCRIPTS / "submit.sh"), *MEMORY]
    archive = folder / "executor.jsa"
    ways = {
        "local": [],
        "cluster": [*submit, url],
        "archive": [*submit, *java_option(f"SharedArchiveFile={archive}"), url],
    }
    runs: dict[str, list[dict]] = {way: [] for way in ways}
    head = header(arguments)

    def run(way: str, before: list[str]) -> dict[str, float]:
        run_dir = work / f"{way}-{arguments.num_ratings}"
        wall = 0.0
        for job, words in jobs:
            command = stage_command(job, data, run_dir, 2, words)
            if before:
                wall += measure([*before, job, *command[2:]], settings)
            else:
                wall += measure(command, {})
        work_seconds = sum(
            from_manifest(str(run_dir / data_set))("")[1] for stage, data_set in DATA_SETS.items()
        )
        return {"wall": wall, "work": work_seconds}

    try:
        # Use one executor, because every executor writes the file when it ends.
        making = ["--executors", "1", *java_option(f"ArchiveClassesAtExit={archive}"), url]
        run("archive", [*submit, *making])
        wait_until_complete(archive)
        for number in range(arguments.repeats):
            for way, before in ways.items():
                runs[way].append(run(way, before))
                print(f"run {number + 1}: {way} {runs[way][-1]['wall']:.1f} s", file=sys.stderr)
    finally:
        stop(folder)
        archive.unlink(missing_ok=True)
    print(json.dumps(head, indent=1))
    for name in ("wall", "work"):
        medians = {way: statistics.median(one[name] for one in runs[way]) for way in ways}
        print(
            f"{name} seconds: "
            + ", ".join(
                f"{way} {seconds:.1f} (x {seconds / medians['local']:.2f})"
                for way, seconds in medians.items()
            )
        )
    save(work, f"cluster-{arguments.num_ratings}", head | {"runs": runs})
    return 0


if __name__ == "__main__":
    sys.exit(main())
