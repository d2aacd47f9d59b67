"""Measure a sweep of models that solve for users and movies: by threads, and by ranks.

    python scripts/benchmarks/sweeps.py --num_ratings 10000000 --train.embedding_size 32
    python scripts/benchmarks/sweeps.py --run_dir runs/netflix --models bayesian_mf --ways 2x1

Takes the train of a prepared run, or generates ratings and prepares them. A way is threads × ranks:
1x1, 2x1 (two threads of one rank) or 1x2 (two ranks of one thread each). Each way trains
--train.epochs sweeps, and the median without the first two counts: they compile and warm up.
Reading and setting up are not counted. Other options are settings of the model.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from dataclasses import replace
from pathlib import Path

from common import describe_machine, save
from factorisation import prepare, require
from train import run_ranks

from recspark.config.load import load_model_configs
from recspark.contract.paths import RunPaths
from recspark.stages.train import make_job

WARM_UP = 2


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run_dir", type=Path, help="a run that prepare has finished")
    parser.add_argument("--num_ratings", type=int, default=10_000_000)
    parser.add_argument("--models", default="bayesian_mf", help="one preset")
    parser.add_argument("--ways", default="1x1,2x1,1x2", help="threads × ranks, each")
    parser.add_argument("--work", type=Path, default=Path("runs/benchmark"))
    arguments, words = parser.parse_known_args()
    work: Path = arguments.work.resolve()
    root = arguments.run_dir or prepare(arguments, work)
    short = ("--train.epochs", "7", "--train.sampler.burn_in", "5", "--train.sampler.samples", "2")
    loaded = load_model_configs(
        ("--name", "benchmark", "--models", arguments.models, *short, *words), prog="sweeps"
    )
    config = replace(loaded[arguments.models], run_dir=str(root))
    settings = replace(config.train, refit=False)
    paths = RunPaths(config.root)
    found: dict[str, dict[str, float]] = {}
    for way in arguments.ways.split(","):
        threads, num_ranks = map(int, way.split("x"))
        job = make_job(
            replace(config, train=replace(settings, num_ranks=num_ranks)),
            *("benchmark", str(work / "sweeps-model"), require(paths.train), require(paths.valid)),
        )
        job = replace(job, checkpoints=f"{job.folder}/checkpoints")
        history = run_ranks(replace(job, num_cores=threads), num_ranks)
        seconds = statistics.median(epoch["seconds"] for epoch in history[WARM_UP:])
        peak = max(epoch["peak_memory_mib"] for epoch in history)
        found[way] = {"seconds": seconds, "peak_mib": peak, "valid_rmse": history[-1]["valid_rmse"]}
        print(f"{way:6}{seconds:9.2f} s a sweep{peak:9,} MiB a rank")
    save(work, "sweeps", {**describe_machine(), "words": words, "ways": found})
    return 0


if __name__ == "__main__":
    sys.exit(main())
