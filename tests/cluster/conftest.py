"""A standalone cluster of a Master and two Workers, each with one core and one (pretended) GPU."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from recspark.cluster.java import ensure_java
from tests.jobs.test_jobs import CONFIG, write_raw

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "cluster.py"))
# Gives one Worker GPU 3 and the other GPU 5. A link names the Worker that has a GPU; a Worker that
# replaces a dead one gets its GPU.
FAKE_GPUS = """#!/bin/sh
for gpu in 3 5; do
    taken="$(dirname "$0")/taken-$gpu"
    ln -s "$PPID" "$taken" 2>/dev/null && break
    kill -0 "$(readlink "$taken")" 2>/dev/null || { ln -sfn "$PPID" "$taken" && break; }
done
echo '{"name": "gpu", "addresses": ["'$gpu'"]}'
"""


@dataclass(frozen=True)
class Cluster:
    """A running cluster."""

    url: str
    folder: Path

    def submit(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run scripts/submit.sh with the cluster's settings: two executors of one core."""
        return run(*self.command(*words), **self.settings, **environment)

    def command(self, *words: str | Path) -> list[str | Path]:
        """Return the command that `submit` runs."""
        sizes = ["--cores", "1", "--memory", "1g", "--driver-memory", "1g"]
        options = [word for word in words if str(word).startswith("--conf=")]
        rest = [word for word in words if word not in options]
        given = [part for option in options for part in str(option).split("=", 1)]
        return ["scripts/submit.sh", *sizes, *given, self.url, *rest]

    def processes(self) -> dict[str, psutil.Process | None]:
        """Return Master and Workers by name; None for a dead one."""
        return dict(SCRIPT["processes"](self.folder))

    def restart(self, worker: str) -> None:
        """Start a dead Worker again, as a cluster's supervisor does."""
        log = (self.folder / "master.log").read_text()
        known = log.count("Registering worker")
        work = str(self.folder / f"{worker}-again")
        options = ["--cores", "1", "--memory", "2g", "--webui-port", "0", "--work-dir", work]
        SCRIPT["launch"](self.folder, worker, "worker.Worker", *options, self.url)
        SCRIPT["wait_for"](self.folder, "master", r"Registering worker (\S+)", known + 1)

    @property
    def settings(self) -> dict[str, str]:
        """The environment in which a command reaches this cluster."""
        return {"SPARK_CONF_DIR": str(self.folder / "conf")}


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment_of_jobs(**environment),
        timeout=900,
        check=False,
    )


def environment_of_jobs(**more: str) -> dict[str, str]:
    """Return the environment in which the tests start jobs."""
    mine = {"PYTHONPATH": str(ROOT), "PYTHON": sys.executable, "JAVA_HOME": ensure_java()}
    return {**os.environ, **mine, **more}


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("standalone")
    script = folder / "gpus" / "find.sh"
    script.parent.mkdir()
    script.write_text(FAKE_GPUS)
    script.chmod(0o755)
    command = [sys.executable, "scripts/cluster.py"]
    started = run(
        *(*command, "start", folder, "--memory", "2g"),
        *("--conf", "spark.worker.resource.gpu.amount=1"),
        *("--conf", f"spark.worker.resource.gpu.discoveryScript={script}"),
    )
    assert started.returncode == 0, started.stderr
    mine = Cluster(started.stdout.strip(), folder)
    assert len(mine.processes()) == 3
    yield mine
    daemons = [one for one in mine.processes().values() if one]
    assert len(daemons) == 3  # including those that replaced killed ones
    executors = [child for one in daemons for child in one.children(recursive=True)]
    for again in folder.glob("worker-*-again"):
        shutil.rmtree(again)
    began = time.monotonic()
    stopped = run(*command, "stop", folder)
    assert stopped.returncode == 0, stopped.stderr
    assert time.monotonic() - began < 60
    _, alive = psutil.wait_procs([*daemons, *executors], timeout=5)
    assert not alive
    assert sorted(path.name for path in folder.iterdir()) == [
        "gpus",
        "master.log",
        "worker-1.log",
        "worker-2.log",
    ]


@pytest.fixture(scope="session")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small config and its raw data; its run directory is not used."""
    folder = tmp_path_factory.mktemp("raw")
    write_raw(folder)
    config = folder / "tiny.yaml"
    config.write_text(CONFIG.format(folder=folder, run_dir=folder / "run"))
    return config
