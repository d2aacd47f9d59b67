"""Measure matrix factorisation against LIBMF: ratings a second, and seconds to the same RMSE.

    python scripts/benchmarks/factorisation.py speed
    python scripts/benchmarks/factorisation.py accuracy

`speed` takes random ratings with as many users and movies as the Netflix set, and the second epoch
of the preset with 64 factors. `accuracy` generates ratings, prepares them with the pipeline, and
asks when the preset's validation RMSE reaches the best one that LIBMF has in any iteration of any
of the settings --libmf, and 0.001 and 0.002 above it. Both run on one thread and on two,
alternately, in one process. Neither counts reading and setting up. Needs the extra `benchmark`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import version
from itertools import accumulate
from pathlib import Path
from typing import Any

import libmf_runs
import numpy as np
import pyarrow.dataset as ds
from common import JOBS, SCRIPTS, header, save
from feed import make_data
from libmf_runs import Rows
from train import make_job, run_rank

from recspark.config.load import load_model_configs
from recspark.contract import columns as c
from recspark.contract.paths import RunPaths
from recspark.datasets.manifest import Manifest, read_manifest
from recspark.datasets.prepared import PreparedFacts
from recspark.training.job import TrainJob

PRESET = "netflix_mf_large"
THREADS = (1, 2)
NUM_USERS, NUM_MOVIES = 48_000, 17_770
# Of LIBMF, those that had the lowest validation RMSE on 10 million generated ratings.
LIBMF = ("16,0.02,0.05", "16,0.03,0.07", "32,0.03,0.05")
# The preset as shipped, and as tuned on the same ratings as LIBMF.
TUNED = "--train.embedding_size 16 --train.reg 0.03 --train.epochs 3 --train.learning_rate 0.015"
AS_SHIPPED, AS_TUNED = "recspark as shipped", "recspark as tuned"
Record = dict[str, Any]


def load_settings(*words: str) -> Any:
    """Return the train section of the preset with these command-line words."""
    words = ("--name", "benchmark", "--models", PRESET, *words)
    return load_model_configs(words, prog="benchmark")[PRESET].train


def train(job: TrainJob, threads: int, port: int) -> list[Record]:
    """Train in this process and return the history."""
    shutil.rmtree(job.folder, ignore_errors=True)
    run_rank(replace(job, num_cores=threads), 0, 1, port)
    lines = (Path(job.folder) / "history.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def read_rows(folder: Path) -> Rows:
    """Return (user, movie, rating) of a data set by bucket, in random order."""
    names = [c.USER_INDEX, c.MOVIE_INDEX, c.RATING]
    table = ds.dataset(folder, format="parquet").to_table(columns=names)
    rows = np.stack([table[name].to_numpy().astype(np.float32) for name in names], axis=1)
    return np.random.default_rng(0).permutation(rows)


def measure_speed(arguments: argparse.Namespace, work: Path) -> Record:
    """Return the ratings per second of each way and number of threads, one figure a round."""
    rows = dict.fromkeys(range(64), arguments.num_ratings // 64)
    data = work / f"train-{arguments.num_ratings}-64"
    make_data(data, rows, 131_072)
    theirs = read_rows(data / "train")
    # Measure a typical epoch, not the end of a schedule.
    words = ("--train.schedule", "decay", "--train.warmup_epochs", "0", "--train.epochs", "2")
    settings = load_settings(*words, "--train.embedding_size", "64")
    job = make_job(
        "benchmark", settings, train=data / "train", folder=work / "train-model", rows=rows
    )
    speeds: dict[str, list[float]] = {}
    for number in range(arguments.repeats):
        for threads in THREADS:
            history = train(job, threads, port=29_871 + len(THREADS) * number + threads)
            seconds = {f"recspark k=64, threads={threads}": history[-1]["seconds"]}
            for factors in (64, 32):
                one = libmf_runs.Settings(factors, 0.05, 0.1)
                way = f"LIBMF k={factors}, threads={threads}"
                seconds[way] = libmf_runs.iteration_seconds(theirs, one, threads)
            for way, each in seconds.items():
                speeds.setdefault(way, []).append(len(theirs) / each)
    for way, each in speeds.items():
        print(f"{way:30}{statistics.median(each):14,.0f} ratings/s")
    return {"ratings_per_second": speeds}


def prepare(arguments: argparse.Namespace, work: Path) -> Path:
    """Generate ratings and prepare them unless that is done; return the run directory."""
    name = f"generated-{arguments.num_ratings}"
    text, root = work / f"{name}-text", work / name
    size = ("--num_users", str(NUM_USERS), "--num_movies", str(NUM_MOVIES))
    size = (*size, "--num_ratings", str(arguments.num_ratings))
    generate = [str(SCRIPTS / "generate_ratings.py"), "--output", str(text), *size]
    run = [
        *(str(JOBS / "pipeline.py"), "--name", name, "--run_dir", str(root)),
        *("--until", "prepare", "--prepare.split", "probe", "--prepare.valid_fraction", "0.02"),
        *("--ingest.format", "netflix", "--ingest.ratings", f"{text}/combined_data_*.txt"),
        *("--ingest.movies", f"{text}/movie_titles.csv", "--ingest.probe", f"{text}/probe.txt"),
    ]
    for command in (generate, run):
        subprocess.run([sys.executable, *command], check=True, stdout=sys.stderr)
    return root


def require(path: str) -> Manifest:
    """Return the manifest of a data set that the pipeline just wrote."""
    manifest = read_manifest(path)
    if manifest is None:
        raise SystemExit(f"{path}: found no finished data set")
    return manifest


def make_real_job(root: Path, settings: Any, folder: Path) -> TrainJob:
    """Return the job that trains on the train and valid of a run."""
    paths = RunPaths(str(root))
    train_set, valid = require(paths.train), require(paths.valid)
    facts, rows = PreparedFacts.of(train_set), train_set.bucket_rows
    job = make_job("benchmark", settings, train=Path(paths.train), folder=folder, rows=rows)
    return replace(job, valid=paths.valid, valid_rows=valid.bucket_rows, facts=facts)


def seconds_to(target: float, rmse: list[float], seconds: list[float]) -> float | None:
    """Return the seconds until an RMSE of at most `target`; None if that is not reached."""
    passed = zip(accumulate(seconds), rmse, strict=True)
    return next((time for time, each in passed if each <= target), None)


def measure_accuracy(arguments: argparse.Namespace, work: Path) -> Record:
    """Return the RMSE of both by epoch, and the seconds of each to LIBMF's best and near it."""
    root = prepare(arguments, work)
    rows = tuple(read_rows(root / name) for name in ("train", "valid"))
    jobs = {
        name: make_real_job(root, load_settings(*words.split()), work / "train-model")
        for name, words in ((AS_SHIPPED, ""), (AS_TUNED, arguments.recspark))
    }
    tuned = {text: libmf_runs.Settings.parse(text) for text in arguments.libmf.split()}
    curves = {
        text: libmf_runs.rmse_by_iteration(*rows, one, THREADS[-1], arguments.iterations)
        for text, one in tuned.items()
    }
    best = min(map(min, curves.values()))
    targets = [round(best + above, 4) for above in (0, 0.001, 0.002)]
    rounds: list[Record] = []
    for number, threads in enumerate(THREADS * arguments.repeats):
        one: Record = {"threads": threads, "epochs": {}, "seconds": {}}
        for way, (name, job) in enumerate(jobs.items()):
            history = train(job, threads, port=29_891 + len(jobs) * number + way)
            rmse = [record["valid_rmse"] for record in history]
            seconds = [record["seconds"] for record in history]
            one["epochs"][name] = {"rmse": rmse, "seconds": seconds}
            one["seconds"][name] = [seconds_to(target, rmse, seconds) for target in targets]
        iteration = {
            text: libmf_runs.iteration_seconds(rows[0], settings, threads)
            for text, settings in tuned.items()
        }
        one["seconds"]["LIBMF"] = [
            min(
                time
                for text, curve in curves.items()
                if (time := seconds_to(target, curve, [iteration[text]] * len(curve))) is not None
            )
            for target in targets
        ]
        rounds.append({**one, "libmf_iteration_seconds": iteration})
    print_accuracy(targets, rounds)
    return {"targets": targets, "libmf_rmse": curves, "rounds": rounds}


def print_accuracy(targets: list[float], rounds: list[Record]) -> None:
    """Print the medians of the seconds to each target, and of all epochs with the best RMSE."""
    print("valid RMSE: " + ", ".join(f"{target:.4f}" for target in targets))
    for threads in THREADS:
        mine = [one for one in rounds if one["threads"] == threads]
        for name in mine[0]["seconds"]:
            each = zip(*(one["seconds"][name] for one in mine), strict=True)
            found = [
                "–" if None in times else f"{statistics.median(times):.2f} s" for times in each
            ]
            print(f"{name}, threads={threads}: {', '.join(found)}")
        for name, epochs in mine[-1]["epochs"].items():
            whole = statistics.median(sum(one["epochs"][name]["seconds"]) for one in mine)
            print(f"{name}, threads={threads}, in all: {whole:.2f} s, {min(epochs['rmse']):.4f}")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stage", choices=["speed", "accuracy"], help="what to measure")
    parser.add_argument("--num_ratings", type=int, help="default: 6,400,000, for accuracy 10 mill.")
    parser.add_argument("--libmf", default=" ".join(LIBMF), help="settings factors,reg,rate …")
    parser.add_argument("--recspark", default=TUNED, help="options of the tuned preset")
    parser.add_argument("--iterations", type=int, default=30, help="of LIBMF")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path("runs/benchmark"))
    arguments = parser.parse_args()
    is_speed = arguments.stage == "speed"
    arguments.num_ratings = arguments.num_ratings or (6_400_000 if is_speed else 10_000_000)
    work = arguments.work.resolve()
    head = header(arguments) | {"preset": PRESET, "libmf": version("libmf")}
    print(json.dumps(head, indent=1))
    measure = measure_speed if is_speed else measure_accuracy
    save(work, f"factorisation-{arguments.stage}", head | measure(arguments, work))
    return 0


if __name__ == "__main__":
    sys.exit(main())
