#!/usr/bin/env python
"""Check on one GPU that training does there what it does on the CPU, and how fast it is.

    python scripts/check_gpu.py
    python scripts/check_gpu.py --device cpu --small    # the same checks without a GPU

Takes about five minutes. It makes its own data and needs neither Spark nor petastorm: install
torch with CUDA, numpy, numba, pyarrow, fsspec, safetensors, psutil and packaging, and set
PYTHONPATH to the checkout. Prints a line for each check and writes all figures to --json; the exit
code is 1 if a check failed. Without a GPU it says so and ends with 0.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from training_job import BUCKETS, Rows, make_job, write_bucket, write_planted

from recspark.arrays.user_buckets import Shard
from recspark.config.sampler import SamplerConfig
from recspark.config.train import TrainConfig
from recspark.training import make_rows
from recspark.training.clock import Clock
from recspark.training.group import join_group
from recspark.training.job import TrainJob
from recspark.training.make import make_learner
from recspark.training.precision import set_precision
from recspark.training.rank import train_rank
from recspark.training.row_solver import RowSolver
from recspark.training.torch_solver import TorchRowSolver

RMSE_TOLERANCE = 0.001
SMALL: dict[str, Any] = {"epochs": 6, "batch_size": 2048, "patience": 6, "reader": "arrow"}
# No dropout, because each device draws its own masks.
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "biased_mf": {"embedding_size": 16, "reg": 0.05},
    "embedding_mlp": {"embedding_size": 16, "layers": ("dense 64", "relu"), "clip_norm": 1.0},
    "residual_mf": {"embedding_size": 16, "layers": ("dense 64", "batch_norm", "relu")},
    "rating_classifier": {"layers": ("dense 64", "relu"), "target": "one_of_k"},
    "autorec": {
        **{"layers": ("dense 64", "relu", "batch_norm", "dense 32", "relu"), "target": "raw"},
        **{"optimizer": "sgd", "learning_rate": 0.05, "batch_size": 256},
    },
}
ROW_SOLVERS: dict[str, dict[str, Any]] = {
    "mf_als": {"architecture": "biased_mf", "optimizer": "als", "reg": 0.05},
    "bayesian_mf": {
        **{"architecture": "bayesian_mf", "init_scale": 0.3, "epochs": 12},
        "sampler": SamplerConfig(
            burn_in=4, samples=8, interactions=8, drift=True, time_process=True
        ),
    },
}
# The two largest presets, without dropout and with a constant step size.
LARGE: dict[str, dict[str, Any]] = {
    "netflix_mf_large": {"architecture": "biased_mf", "embedding_size": 64, "bias_reg": 0.01},
    "netflix_embedding_nn_large": {
        **{"architecture": "embedding_mlp", "embedding_size": 256, "clip_norm": 1.0},
        **{"layers": ("dense 512", "relu"), "init_scale": 0.3},
    },
}


@dataclass
class Checks:
    """The outcome of each check so far."""

    device: torch.device
    work: Path
    is_small: bool
    figures: dict[str, Any] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    def report(self, name: str, is_passed: bool, text: str, **figures: Any) -> None:
        """Print one line and keep the figures."""
        print(f"{'ok  ' if is_passed else 'FAIL'} {name}: {text}", flush=True)
        self.figures[name] = {"passed": is_passed, **figures}
        if not is_passed:
            self.failed.append(name)


def write_random(folder: Path, num_users: int, num_movies: int, num_rows: int) -> dict[int, int]:
    """Write random ratings of the Netflix set's shape as train; return rows by bucket."""
    rows = {}
    for bucket in range(BUCKETS):
        rng = np.random.default_rng(bucket)
        count = rows[bucket] = num_rows // BUCKETS
        users = rng.integers(0, num_users // BUCKETS, count) * BUCKETS + bucket
        movies = (num_movies * rng.random(count) ** 3).astype(np.int32)
        write_bucket(folder / "train", bucket, users, movies, rng.integers(1, 6, count))
    return rows


def planted_job(data: Path, rows: Rows, **settings: Any) -> TrainJob:
    """Return a job on the planted ratings."""
    return make_job(data, rows, TrainConfig(**settings))


@contextmanager
def alone() -> Iterator[None]:
    """Make this process the only rank."""
    place = {"RANK": 0, "LOCAL_RANK": 0, "WORLD_SIZE": 1, "LOCAL_WORLD_SIZE": 1}
    os.environ.update({name: str(value) for name, value in place.items()})
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="29877")
    yield


def train(job: TrainJob, folder: Path, device: str, **changed: Any) -> list[dict[str, Any]]:
    """Train on a device and return the history."""
    settings = replace(job.settings, device=device, **changed)
    folder.mkdir(parents=True, exist_ok=True)
    job = replace(
        job, folder=str(folder), checkpoints=str(folder / "checkpoints"), settings=settings
    )
    with alone():
        train_rank(job)
    return [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]


def best(history: list[dict[str, Any]]) -> float:
    """Return the lowest validation RMSE."""
    return float(min(record["valid_rmse"] for record in history))


def check_architectures(checks: Checks, jobs: dict[str, TrainJob]) -> None:
    """Compare the validation RMSE of the CPU and the device."""
    for name, job in jobs.items():
        found = {d: best(train(job, checks.work / f"{name}-{d}", d)) for d in two(checks)}
        gap = abs(found["cpu"] - found[checks.device.type])
        text = ", ".join(f"{device} {rmse:.5f}" for device, rmse in found.items())
        is_sound = gap <= RMSE_TOLERANCE and found["cpu"] < 1.05  # the ratings' spread is 1.1
        checks.report(f"{name} on both", is_sound, f"valid RMSE {text}", **found)


def check_row_solvers(checks: Checks, data: Path, rows: tuple[dict[int, int], ...]) -> None:
    """Compare the row solver in compiled loops with that in torch on the device."""
    for name, chosen in ROW_SOLVERS.items():
        job = planted_job(data, rows, **{**SMALL, "embedding_size": 16, **chosen})
        figures = {}
        for kind, device in (("compiled", "cpu"), ("torch", checks.device.type)):
            solver = TorchRowSolver if kind == "torch" else RowSolver
            with mock.patch.object(make_rows, "make_solver", solver):
                history = train(job, checks.work / name / kind, device)
            figures[kind] = history[-1]["valid_rmse"]
            figures[f"{kind} seconds"] = min(one["seconds_forward_backward"] for one in history)
        text = ", ".join(
            f"{kind} {figures[kind]:.5f} ({figures[f'{kind} seconds']:.3f} s an epoch)"
            for kind in ("compiled", "torch")
        )
        gap = abs(figures["compiled"] - figures["torch"])
        is_sound = gap <= RMSE_TOLERANCE and figures["compiled"] < 1.05
        checks.report(f"{name} by both solvers", is_sound, f"valid RMSE {text}", **figures)


def two(checks: Checks) -> list[str]:
    """Return the devices to compare."""
    return list(dict.fromkeys(("cpu", checks.device.type)))


def check_checkpoints(checks: Checks, job: TrainJob) -> None:
    """Start on one device and end on the other, both ways."""
    whole = best(train(job, checks.work / "whole", "cpu", epochs=4))
    for first, second in (("cpu", checks.device.type), (checks.device.type, "cpu")):
        folder = checks.work / f"from-{first}-to-{second}"
        train(job, folder, first, epochs=2)
        history = train(job, folder, second, epochs=4, resume=True)
        gap = abs(best(history) - whole)
        text = f"valid RMSE {best(history):.5f}, without interruption {whole:.5f}"
        is_passed = gap <= RMSE_TOLERANCE and len(history) == 4
        checks.report(f"checkpoint {first} to {second}", is_passed, text, rmse=best(history))


def check_streaming(checks: Checks, job: TrainJob) -> None:
    """Compare streaming on both devices."""
    kept = {"feed": "streaming", "feed_memory_mib": 8}
    found = {d: best(train(job, checks.work / f"stream-{d}", d, **kept)) for d in two(checks)}
    gap = abs(found["cpu"] - found[checks.device.type])
    text = ", ".join(f"{device} {rmse:.5f}" for device, rmse in found.items())
    checks.report("streaming on both", gap <= RMSE_TOLERANCE, f"valid RMSE {text}", **found)


def check_bf16(checks: Checks, job: TrainJob) -> None:
    """Compare bf16 with fp32 on the device."""
    device, found = checks.device.type, {}
    for kind in ("fp32", "bf16"):
        found[kind] = best(train(job, checks.work / kind, device, precision=kind))
    text = ", ".join(f"{kind} {rmse:.5f}" for kind, rmse in found.items())
    is_passed = abs(found["bf16"] - found["fp32"]) <= 0.003
    checks.report("bf16", is_passed, f"valid RMSE {text}", **found)


def check_tf32(checks: Checks) -> float:
    """Return the fp32 products per second; TF32 must be faster than fp32."""
    size = 512 if checks.is_small else 8192
    seconds = {}
    matrix = torch.randn(size, size, device=checks.device)
    for kind in ("tf32", "fp32"):
        set_precision(TrainConfig(precision=kind), checks.device)  # type: ignore[arg-type]
        seconds[kind] = time_of(checks, lambda: matrix @ matrix)
    flops = {kind: 2 * size**3 / one / 1e12 for kind, one in seconds.items()}
    text = ", ".join(f"{kind} {value:.1f} TFLOP/s" for kind, value in flops.items())
    is_faster = seconds["fp32"] > 1.3 * seconds["tf32"]
    checks.report("TF32", is_faster or checks.device.type == "cpu", text, **flops)
    return flops["fp32"] * 1e12


def time_of(checks: Checks, work: Callable[[], object], repeats: int = 10) -> float:
    """Return the seconds of one call, on average after a warm-up."""
    work()
    synchronize(checks)
    started = time.perf_counter()
    for _ in range(repeats):
        work()
    synchronize(checks)
    return (time.perf_counter() - started) / repeats


def synchronize(checks: Checks) -> None:
    """Wait for the device."""
    if checks.device.type == "cuda":
        torch.cuda.synchronize()


def check_synchronisations(checks: Checks, name: str, job: TrainJob) -> None:
    """Count the operations of steps that wait for the GPU; there must be none."""
    settings = replace(job.settings, device=checks.device.type)
    job = replace(job, settings=settings)
    shard = Shard(num_users=job.facts.num_users, num_buckets=BUCKETS, rank=0, num_ranks=1)
    with alone(), join_group(settings) as group, make_learner(job, shard, group) as learner:
        clock, waits, steps = Clock(group.device), [], 0
        batches = learner.batches(0, 0)
        for step in range(learner.plan.num_steps):
            if step == 2 and checks.device.type == "cuda":
                torch.cuda.set_sync_debug_mode("warn")
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                learner.take_step(next(batches), step, 0.01, clock)
            if step >= 2:
                waits += [str(one.message) for one in caught if "synchroniz" in str(one.message)]
                steps += 1
            if steps == 10:
                break
        if checks.device.type == "cuda":
            torch.cuda.set_sync_debug_mode("default")
        batches.close()  # type: ignore[attr-defined]
    text = f"{len(waits)} in {steps} steps" + (f", first: {waits[0]}" if waits else "")
    checks.report(f"{name} waits for the GPU", not waits, text, waits=len(waits))


def check_speed(checks: Checks, flops: float) -> None:
    """Print rows/s of the large presets beside what bytes and products allow."""
    size: dict[str, Any] = {"num_users": 480_184, "num_movies": 17_770}
    num_rows = 400_000 if checks.is_small else 40_000_000
    if checks.is_small:
        size = {"num_users": 4_800, "num_movies": 1_777}
    data = checks.work / "random"
    rows = write_random(data, num_rows=num_rows, **size)
    values = torch.ones(10_000_000 if checks.is_small else 500_000_000, device=checks.device)
    bandwidth = 2 * values.nbytes / time_of(checks, values.clone)
    del values
    for name, preset in LARGE.items():
        count = num_rows if name == "netflix_mf_large" else num_rows // 4
        settings = TrainConfig(
            **{"epochs": 1, "batch_size": 65_536, "reader": "arrow", "feed_memory_mib": 8192},
            **{"reg": 0.05, **preset},
        )
        known = dict.fromkeys(rows, count // BUCKETS) if count == num_rows else rows
        job = make_job(data, (known, {}), settings, **size)
        width = job.settings.embedding_size
        # user row and two moments read and written; movie row read, its gradient added
        limits = [bandwidth / (4 * width * (6 + 1 + 2))]
        if job.settings.layers:
            limits.append(flops / (6 * (2 * width * 512 + 512)))
        for feed in ("resident", "streaming"):
            history = train(job, checks.work / name / feed, checks.device.type, feed=feed)
            speed, limit = history[0]["rows_per_second"], min(limits)
            text = (
                f"{speed / 1e6:.2f} million rows/s, {speed / limit:.0%} of the "
                f"{limit / 1e6:.0f} million that memory and fp32 products allow"
            )
            figures = {"limit": limit, **history[0]}
            checks.report(f"{name}, {feed}", math.isfinite(speed), text, **figures)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--small", action="store_true", help="little data for the speeds")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        print("check_gpu: skipped, because torch sees no GPU here")
        return 0
    name = torch.cuda.get_device_name() if arguments.device == "cuda" else "CPU"
    print(f"check_gpu: {name}, torch {torch.__version__}", flush=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="check-gpu-") as work:
        checks = Checks(torch.device(arguments.device), Path(work), arguments.small)
        data = checks.work / "planted"
        rows = write_planted(data)
        jobs = {
            one: planted_job(data, rows, **{"architecture": one, **SMALL, **settings})
            for one, settings in ARCHITECTURES.items()
        }
        check_architectures(checks, jobs)
        check_row_solvers(checks, data, rows)
        check_checkpoints(checks, jobs["biased_mf"])
        check_streaming(checks, jobs["biased_mf"])
        check_bf16(checks, jobs["embedding_mlp"])
        for one, job in jobs.items():
            check_synchronisations(checks, one, job)
        check_speed(checks, check_tf32(checks))
    minutes = (time.monotonic() - started) / 60
    print(f"check_gpu: {len(checks.failed)} of {len(checks.figures)} failed, {minutes:.1f} minutes")
    if arguments.json:
        figures = {"device": name, "torch": torch.__version__, "checks": checks.figures}
        arguments.json.write_text(json.dumps(figures, indent=1))
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
