"""A rank that dies or hangs ends the whole job soon, with a message and no process left."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from recspark.cluster.java import ensure_java
from tests.jobs.test_jobs import CONFIG, ROOT, start, write_raw

# Each waits for the timeout of a rank, and for torchrun to end the others.
pytestmark = pytest.mark.slow

MOST_SECONDS = 60


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A config with a prepared train; training would take very long."""
    folder = tmp_path_factory.mktemp("faults")
    write_raw(folder)
    config = folder / "tiny.yaml"
    text = CONFIG.format(folder=folder, run_dir=folder / "run")
    config.write_text(text.replace("epochs: 3", "epochs: 100000, patience: 100000", 1))
    for job in ("ingest", "prepare"):
        done = start(sys.executable, f"jobs/{job}.py", "--config", config)
        assert done.returncode == 0, done.stderr
    return config


@contextlib.contextmanager
def training(config: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Yield a training job on two ranks that has begun to take steps."""
    command = [sys.executable, "jobs/train.py", "--config", str(config), *words]
    environment = {**os.environ, "JAVA_HOME": ensure_java(), "PYSPARK_PYTHON": sys.executable}
    process = subprocess.Popen(
        [*command, "--models", "biased_mf", "--train.timeout_seconds", "8"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment,
    )
    progress = config.parent / "run" / "models" / ".biased_mf.tmp" / "progress.json"
    progress.unlink(missing_ok=True)
    try:
        deadline = time.monotonic() + 120
        while not _has_history(progress):
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield process
    finally:
        for one in _family(process.pid):
            with contextlib.suppress(psutil.Error):
                one.kill()


def _has_history(path: Path) -> bool:
    with contextlib.suppress(OSError, ValueError):
        return bool(json.loads(path.read_text())["history"])
    return False


def _family(pid: int) -> list[psutil.Process]:
    with contextlib.suppress(psutil.Error):
        return [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return []


def rank_process(job: subprocess.Popen[str], rank: int) -> psutil.Process:
    """Return the process of a rank, found by its environment."""
    found = []
    for one in _family(job.pid):
        with contextlib.suppress(psutil.Error):
            if one.environ().get("RANK") == str(rank) and not one.children():
                found.append(one)
    assert len(found) == 1, found
    return found[0]


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hanging"])
def test_job_ends_within_a_minute_and_names_the_rank(prepared: Path, blow: int) -> None:
    with training(prepared) as job:
        family = _family(job.pid)
        rank_process(job, 1).send_signal(blow)
        struck = time.monotonic()
        _, err = job.communicate(timeout=2 * MOST_SECONDS)
        assert time.monotonic() - struck < MOST_SECONDS
        assert job.returncode == 6, err
        # The launcher and the waiting rank report different causes; either may be first.
        assert re.search("rank 1 (was killed|ended with exit code -9)", err), err
        assert "lower train.batch_size" in err
        assert "traceback" in err or "last words" in err
        psutil.wait_procs(family, timeout=5)
        assert not [one for one in family if one.is_running()]
    assert not (prepared.parent / "run" / "models" / "biased_mf").exists()
    assert (prepared.parent / "run" / "checkpoints" / "biased_mf").exists()


def test_a_stopped_job_continues_where_it_was(prepared: Path) -> None:
    with training(prepared) as job:
        for one in reversed(_family(job.pid)):
            with contextlib.suppress(psutil.Error):
                one.kill()
    checkpoints = prepared.parent / "run" / "checkpoints" / "biased_mf"
    states = sorted(checkpoints.glob("*/state.json"))
    reached = json.loads(states[-1].read_text())["position"]["epoch"]
    assert reached >= 1
    words = ("--models", "biased_mf", "--train.resume", "true", "--train.num_ranks", "1")
    done = start(
        sys.executable, "jobs/train.py", "--config", prepared, *words, "--train.reg", "0.5"
    )
    assert done.returncode == 6
    assert "train.reg=0.1" in done.stderr
    assert "expected train.reg=0.5" in done.stderr
