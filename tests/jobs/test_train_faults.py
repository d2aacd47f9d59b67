"""A rank that dies or hangs ends the whole job soon, with a message and no process left."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from safetensors.numpy import load_file

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
def training(
    config: Path, *words: str, model: str = "biased_mf", epochs: int = 1
) -> Iterator[subprocess.Popen[str]]:
    """Yield a training job on two ranks that has finished some epochs."""
    command = [sys.executable, "jobs/train.py", "--config", str(config), *words]
    environment = {**os.environ, "JAVA_HOME": ensure_java(), "PYSPARK_PYTHON": sys.executable}
    process = subprocess.Popen(
        [*command, "--models", model, "--train.timeout_seconds", "8"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment,
    )
    progress = config.parent / "run" / "models" / f".{model}.tmp" / "progress.json"
    progress.unlink(missing_ok=True)
    try:
        deadline = time.monotonic() + 120
        while _num_epochs(progress) < epochs:
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield process
    finally:
        for one in _family(process.pid):
            with contextlib.suppress(psutil.Error):
                one.kill()


def _num_epochs(path: Path) -> int:
    with contextlib.suppress(OSError, ValueError):
        return len(json.loads(path.read_text())["history"])
    return 0


def kill(job: subprocess.Popen[str]) -> None:
    """Kill the job and all its ranks at once."""
    for one in reversed(_family(job.pid)):
        with contextlib.suppress(psutil.Error):
            one.kill()


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
        assert "traceback" in err or "launcher's last lines" in err
        psutil.wait_procs(family, timeout=5)
        assert not [one for one in family if one.is_running()]
    assert not (prepared.parent / "run" / "models" / "biased_mf").exists()
    assert (prepared.parent / "run" / "checkpoints" / "biased_mf").exists()


def test_a_stopped_job_continues_where_it_was(prepared: Path) -> None:
    with training(prepared) as job:
        kill(job)
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


def test_a_killed_chain_ends_with_the_samples_that_it_would_have_had(prepared: Path) -> None:
    model, folder = "bayesian_mf_interactions", prepared.parent / "run"
    words = ["--train.epochs", "240", "--train.sampler.burn_in", "20", "--train.refit", "false"]
    words += ["--train.sampler.samples", "44", "--train.checkpoint_seconds", "0"]
    words += ["--train.sampler.interactions", "4"]
    words += ["--train.sampler.drift", "true", "--train.sampler.time_process", "true"]
    for epochs in (2, 60):  # before the first sample, and between two of them
        resume = ["--train.resume", "true"] if epochs > 2 else []
        with training(prepared, *words, *resume, model=model, epochs=epochs) as job:
            kill(job)
        assert not (folder / "models" / model).exists()
    states = sorted((folder / "checkpoints" / model).glob("*/state.json"))
    reached = json.loads(states[-1].read_text())["position"]["epoch"]
    assert 60 <= reached < 240
    command = [sys.executable, "jobs/train.py", "--config", prepared, "--models", model, *words]
    done = start(*command, "--train.resume", "true")
    assert done.returncode == 0, done.stderr
    resumed = shutil.move(folder / "models" / model, prepared.parent / "resumed")
    done = start(*command, "--force", "true")
    assert done.returncode == 0, done.stderr
    files = sorted((folder / "models" / model).rglob("*.safetensors"))
    assert len(files) == 1 + 4 + 5  # movies, users by bucket, and what both need over time
    for file in files:
        mine = load_file(file)
        again = load_file(resumed / file.relative_to(folder / "models" / model))
        assert mine.keys() == again.keys()
        for name, values in mine.items():
            np.testing.assert_allclose(again[name], values, rtol=1e-6, atol=1e-7, err_msg=name)
