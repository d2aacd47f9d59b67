"""Measure jobs/evaluate.py on fabricated predictions at the full size of the Netflix set.

    python scripts/benchmarks/evaluate.py
    python scripts/benchmarks/evaluate.py --num_predictions 1000000 --repeats 5

Makes train, test and one model's predictions once under --work (random users, skewed movies). Then
runs the job with all slices and resamples in its own process. The time includes the start of Spark.
Prints machine and load, the median seconds, and the largest memory (proportional set size) of the
driver, the JVM and any one Python worker. Writes the same as JSON under --work/results.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from common import JOBS, describe_machine, prepared_counts, save

from recspark.config import Config
from recspark.contract import columns as c
from recspark.contract import schemas
from recspark.contract.paths import RunPaths
from recspark.datasets.resource_usage import measure_process
from recspark.datasets.step import Step
from recspark.files import storage

NUM_USERS, NUM_MOVIES, NUM_BUCKETS = 480_189, 17_770, 64
NUM_TRAIN = 80_000_000
SAMPLE_SECONDS = 0.1
MODEL = "bias"


def make_bucket(bucket: int, num_rows: int) -> pa.Table:
    """Return random predictions for the users of one bucket. The size of errors differs by user."""
    rng = np.random.default_rng(bucket)
    user = bucket + NUM_BUCKETS * rng.integers(0, (NUM_USERS - bucket) // NUM_BUCKETS, num_rows)
    rating = rng.integers(1, 6, num_rows).astype(np.float32)
    error = rng.normal(0, 0.6 + 0.6 * (user % 97) / 97).astype(np.float32)
    flagged = rng.random(num_rows) < 0.01
    return pa.table(
        {
            c.USER_INDEX: user.astype(np.int32),
            # A few movies have most of the ratings.
            c.MOVIE_INDEX: (NUM_MOVIES * rng.random(num_rows) ** 3).astype(np.int32),
            c.RATING: rating,
            # 1999-11 to 2005-12
            c.RATED_AT: rng.integers(941_414_400, 1_136_073_600, num_rows).astype(np.int32),
            c.PREDICTION: np.clip(rating + error, 1, 5),
            c.FALLBACK: pa.array(np.where(flagged, "movie_effect", None), pa.string()),
        }
    )


def make_run(root: Path, num_predictions: int) -> None:
    """Write what evaluate reads: train, test, a model card and the model's predictions."""
    paths = RunPaths(str(root))
    counts = prepared_counts(NUM_USERS, NUM_MOVIES, NUM_BUCKETS)
    config = Config(name="benchmark")
    settings = {**vars(config.prepare), "seed": config.seed}
    prepare = Step("prepare", settings, {}, [paths.train, paths.test])
    with prepare:
        for path, num_rows in ((paths.train, NUM_TRAIN), (paths.test, num_predictions)):
            for bucket in range(NUM_BUCKETS):
                table = make_bucket(bucket, num_rows // NUM_BUCKETS)
                write(table.drop([c.PREDICTION, c.FALLBACK]), prepare.staging(path), bucket)
        _, test = prepare.publish_all(
            [(paths.train, schemas.TRAIN, counts), (paths.test, schemas.TEST, counts)]
        )
    fit = Step("baseline", {}, {}, [paths.model(MODEL)])
    with fit:
        storage.make_folder(fit.staging(paths.model(MODEL)))
        model = fit.publish(paths.model(MODEL), None)
    path = paths.predictions(MODEL)
    score = Step("score", {}, {"test": test.id, "model": model.id}, [path])
    with score:
        for bucket in range(NUM_BUCKETS):
            table = make_bucket(bucket, num_predictions // NUM_BUCKETS)
            write(table, score.staging(path), bucket)
        score.publish(path, schemas.PREDICTIONS)


def write(table: pa.Table, root: str, bucket: int) -> None:
    folder = Path(root) / f"{c.BUCKET}={bucket}"
    folder.mkdir(parents=True)
    pq.write_table(table, folder / "part-0.parquet")


def run(command: list[str]) -> dict[str, float]:
    """Run a job to its end; return its seconds and the largest memory of any process, in MiB."""
    started = time.monotonic()
    log = tempfile.TemporaryFile("w+")  # noqa: SIM115
    job = subprocess.Popen(command, stdout=log, stderr=log)
    peaks = {"jvm": 0, "driver": 0, "worker": 0}
    while job.poll() is None:
        for process in psutil.Process().children(recursive=True):
            try:
                size = measure_process(process)[0]
                role = "jvm" if process.name() == "java" else "worker"
            except psutil.Error:
                continue
            role = "driver" if process.pid == job.pid else role
            peaks[role] = max(peaks[role], size)
        time.sleep(SAMPLE_SECONDS)
    if job.returncode != 0:
        log.seek(0)
        raise SystemExit(f"{' '.join(command)} failed:\n{log.read()[-3000:]}")
    return {
        "seconds": time.monotonic() - started,
        **{f"{role}_mib": size / 2**20 for role, size in peaks.items()},
    }


def header(arguments: argparse.Namespace) -> dict[str, object]:
    """Return the context of a figure: sizes, machine, load, versions and date."""
    return {
        "stage": "evaluate",
        "num_predictions": arguments.num_predictions,
        "num_train": NUM_TRAIN,
        "users_movies_buckets": [NUM_USERS, NUM_MOVIES, NUM_BUCKETS],
        "resamples": arguments.resamples,
        **describe_machine(),
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--num_predictions", type=int, default=20_000_000)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cores", type=int, default=2, help="Spark's local cores")
    parser.add_argument("--work", type=Path, default=Path("runs/benchmark"))
    arguments = parser.parse_args()
    work = arguments.work.resolve()
    root = work / f"evaluate-{arguments.num_predictions}"
    if not (root / "predictions").exists():
        print(f"making {arguments.num_predictions:,} predictions …", file=sys.stderr)
        shutil.rmtree(root, ignore_errors=True)
        make_run(root, arguments.num_predictions)
    command = [
        *(sys.executable, str(JOBS / "evaluate.py"), "--name", "benchmark"),
        *("--run_dir", str(root), "--models", MODEL, "--spark.driver_memory", "2g"),
        *("--spark.master", f"local[{arguments.cores}]"),
        *("--evaluate.resamples", str(arguments.resamples)),
    ]
    head = header(arguments)
    runs = []
    for number in range(arguments.repeats):
        runs.append(run(command))
        print(f"run {number + 1}: {runs[-1]['seconds']:.1f} s", file=sys.stderr)
    print(json.dumps(head, indent=1))
    medians = {name: statistics.median(one[name] for one in runs) for name in runs[0]}
    rate = arguments.num_predictions / medians["seconds"]
    print(f"{'':16}{'rows/s':>12}{'wall s':>9}  largest process, MiB")
    print(
        f"{'evaluate':16}{rate:12,.0f}{medians['seconds']:9.1f}  "
        + ", ".join(f"{role} {medians[f'{role}_mib']:,.0f}" for role in ("driver", "jvm", "worker"))
    )
    save(work, f"evaluate-{arguments.num_predictions}", head | {"runs": runs})
    return 0


if __name__ == "__main__":
    sys.exit(main())
