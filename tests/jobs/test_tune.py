"""`recspark tune` as a user starts it: killed, started again, and its next command followed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from recspark.cluster.java import ensure_java
from tests.jobs.test_jobs import ROOT, start, write_raw

CONFIG = """
models: [biased_mf]
run_dir: {run_dir}
spark: {{master: "local[2]", driver_memory: 1g, shuffle_partitions: 2}}
ingest: {{format: movielens_100k, ratings: {folder}/u.data, movies: {folder}/u.item}}
prepare: {{split: random, test_fraction: 0.2, valid_fraction: 0.2, num_buckets: 4}}
train: {{epochs: 6, embedding_size: 4, batch_size: 128}}
tune: {{trials: 12, jobs: 1}}
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tune")
    write_raw(folder)
    config = folder / "tiny.yaml"
    config.write_text(CONFIG.format(folder=folder, run_dir=folder / "run"))
    done = start(
        *(sys.executable, "jobs/pipeline.py", "--config", config, "--models", "bias"),
        *("--until", "prepare"),
    )
    assert done.returncode == 0, done.stderr
    return config


def tune(config: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return start(sys.executable, "jobs/tune.py", "--config", config, *words)


def settings(run: Path) -> list[tuple[dict, float, str]]:
    trials = json.loads((run / "tune" / "biased_mf" / "trials.json").read_text())["trials"]
    return [(one["settings"], one["rmse"], one["state"]) for one in trials]


@pytest.mark.slow
def test_a_killed_search_leaves_no_process_and_continues(config: Path) -> None:
    run = config.parent / "run"
    study = run / "studies" / "biased_mf.json"
    environment = {**os.environ, "JAVA_HOME": ensure_java(), "PYSPARK_PYTHON": sys.executable}
    killed = subprocess.Popen(
        [sys.executable, "jobs/tune.py", "--config", str(config)],
        cwd=ROOT,
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not study.exists() or len(json.loads(study.read_text())["trials"]) < 3:
        assert killed.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    children = psutil.Process(killed.pid).children(recursive=True)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    kept = json.loads(study.read_text())["trials"]
    assert 3 <= len(kept) < 12
    _, alive = psutil.wait_procs(
        [one for one in children if "spawn_main" in " ".join(_words(one))], timeout=20
    )
    assert not alive
    continued = tune(config)
    assert continued.returncode == 0, continued.stderr
    assert f"continues after {len(kept)} trials" in continued.stderr
    assert not study.exists()
    found = settings(run)
    assert len(found) == 12
    assert found[: len(kept)] == [(one["settings"], one["rmse"], one["state"]) for one in kept]


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


@pytest.mark.slow
def test_the_next_command_fits_the_model_with_the_best_settings(config: Path) -> None:
    done = tune(config)  # up to date, and prints the result again
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("12 trials\n") or "12 trials, " in done.stdout
    [line] = [line for line in done.stderr.splitlines() if "tune: next: " in line]
    words = line.partition("tune: next: ")[2].split()
    assert words[:2] == ["recspark", "train"]
    followed = start(sys.executable, "-m", *words)
    assert followed.returncode == 0, followed.stderr
    card = json.loads((config.parent / "run" / "models" / "biased_mf" / "model.json").read_text())
    best = min(rmse for _, rmse, state in settings(config.parent / "run") if state == "finished")
    assert card["valid_rmse"] == pytest.approx(best, abs=1e-5)


def test_a_setting_that_does_not_exist_is_refused_before_spark_starts(config: Path) -> None:
    done = tune(config, "--tune.space", "{train.regg: {low: 0.1, high: 1}}")
    assert done.returncode == 2
    assert "Did you mean train.reg?" in done.stderr
    assert "WARNING: Using incubator" not in done.stderr
