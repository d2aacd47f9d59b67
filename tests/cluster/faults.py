"""Shared parts of the fault tests: jobs to strike while they run, and checks of the outcome."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
import pyarrow.parquet as pq

from recspark.contract.paths import RunPaths
from tests.cluster.conftest import ROOT, environment_of_jobs, run

MODELS = ["bias", "biased_mf"]
DATA_SETS = ["ratings", "movies", "rejects", "user_index", "movie_index", "train", "valid", "test"]
# Enough tasks and rows for a fault to strike in the middle of a stage.
CONFIG = """
models: [bias, biased_mf]
run_dir: {folder}/run
spark: {{master: "local[2]", driver_memory: 1g, shuffle_partitions: 2}}
ingest: {{format: movielens_100k, ratings: {folder}/u.data, movies: {folder}/u.item,
          split_bytes: 250000, max_reject_fraction: 0.01}}
prepare: {{split: random, test_fraction: 0.2, valid_fraction: 0.1, num_buckets: 8}}
train: {{epochs: 3, num_ranks: 2, embedding_size: 4, batch_size: 1024, timeout_seconds: 20}}
"""
SECONDS = 3000


def write_raw(folder: Path) -> None:
    """Write a quarter of a million ratings with planted effects, and one invalid line."""
    generator = np.random.default_rng(7)
    users, movies = np.nonzero(generator.random((1500, 400)) < 0.4)
    effects = generator.normal(0, 0.6, 1500)[users] + generator.normal(0, 0.6, 400)[movies]
    noise = generator.normal(0, 0.5, len(users))
    ratings = np.clip(np.rint(3.4 + effects + noise), 1, 5).astype(int)
    order = generator.permutation(len(users))
    lines = [f"{users[i] + 1}\t{movies[i] + 1}\t{ratings[i]}\t{880000000 + i}\n" for i in order]
    (folder / "u.data").write_text("".join([*lines, "1\t1\tfive\t880000000\n"]))
    titles = [f"{movie}|Film {movie} (1990)|01-Jan-1990||\n" for movie in range(1, 401)]
    (folder / "u.item").write_text("".join(titles))


@dataclass
class Job:
    """A job in a separate process; its output is kept line by line."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)
    _reader: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        assert self.process.stdout is not None
        said = self.process.stdout
        self._reader = threading.Thread(target=lambda: self.lines.extend(said), daemon=True)
        self._reader.start()

    @property
    def said(self) -> str:
        """Its output so far."""
        return "".join(self.lines)

    def wait_for(self, is_time: Callable[[], bool], seconds: float = SECONDS) -> None:
        """Return as soon as a condition holds; fail if the job ends before."""
        deadline = time.monotonic() + seconds
        while not is_time():
            assert self.process.poll() is None, self.said[-5000:]
            assert time.monotonic() < deadline, self.said[-5000:]
            time.sleep(0.005)

    def wait_for_line(self, part: str, seconds: float = SECONDS) -> None:
        """Return as soon as the job has printed this."""
        self.wait_for(lambda: any(part in line for line in self.lines), seconds)

    def end(self) -> int:
        """Return the exit code."""
        code = self.process.wait(SECONDS)
        self._reader.join()
        return code

    def kill_driver(self) -> None:
        """Kill only the job's own process; its children must notice."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(SECONDS)
        _, alive = psutil.wait_procs(family, timeout=300)
        assert not alive, alive


@contextlib.contextmanager
def started(*command: str | Path, **environment: str) -> Iterator[Job]:
    """Yield a running job; any of its processes alive at the end are killed."""
    process = subprocess.Popen(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env=environment_of_jobs(**environment),
    )
    job = Job(process)
    try:
        yield job
    finally:
        family = []
        with contextlib.suppress(psutil.Error):
            family = [psutil.Process(process.pid)]
            family += family[0].children(recursive=True)
        for one in family:
            with contextlib.suppress(psutil.Error):
                one.kill()
        process.wait()


def local(job: str, config: Path, run_dir: Path, *words: str) -> list[str | Path]:
    """Return the command of a job in local mode."""
    return [sys.executable, f"jobs/{job}.py", "--config", config, "--run_dir", run_dir, *words]


def succeed(*command: str | Path, **environment: str) -> str:
    """Run a command that must succeed, and return its output."""
    done = run(*command, **environment)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-5000:]
    return said


def rows(path: str) -> list[tuple[object, ...]]:
    """Return a data set's rows, sorted; partition columns are part of a row."""
    tables = [
        pq.read_table(file, partitioning="hive").select(sorted(pq.read_schema(file).names))
        for file in sorted(Path(path).rglob("*.parquet"))
    ]
    return sorted(tuple(row.values()) for table in tables for row in table.to_pylist())


def leftovers(run_dir: Path) -> list[str]:
    """Return the files in a run directory that belong to no finished data set."""
    return [
        str(path.relative_to(run_dir))
        for path in run_dir.rglob("*")
        if (path.name.startswith(".") and path.suffix != ".crc")
        or path.name == "_temporary"
        or (path.name == "checkpoints" and any(path.iterdir()))
    ]


def check_same(run_dir: Path, reference: Path, data_sets: list[str] = DATA_SETS) -> None:
    """Assert that data sets equal those of an undisturbed run, and that nothing else is left."""
    for name in data_sets:
        found = rows(f"{run_dir}/{name}")
        assert found
        assert found == rows(f"{reference}/{name}"), name
    assert leftovers(run_dir) == []


def check_same_figures(run_dir: Path, reference: Path) -> None:
    """Assert that the RMSE of each model is within 0.001 of that of an undisturbed run."""
    for model in MODELS:
        mine, theirs = (
            json.loads(Path(RunPaths(str(one)).metrics(model)).read_text())
            for one in (run_dir, reference)
        )
        assert mine["num_rows"] == theirs["num_rows"] > 40_000
        assert abs(mine["rmse"] - theirs["rmse"]) < 0.001
