"""Real faults: the job that is struck completes by itself or when it is run again."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from recspark.contract.paths import RunPaths
from recspark.datasets.manifest import read_manifest
from tests.cluster.conftest import Cluster
from tests.cluster.faults import (
    CONFIG,
    check_same,
    check_same_figures,
    leftovers,
    local,
    started,
    succeed,
    write_raw,
)

pytestmark = pytest.mark.cluster
Recovery = Callable[[str, float], None]


@pytest.fixture(scope="module")
def recovered(pytestconfig: pytest.Config) -> Iterator[Recovery]:
    """Take (fault, time of the fault); the seconds until now are printed after all tests."""
    found: list[str] = []
    yield lambda fault, struck: found.append(f"{fault}: {time.monotonic() - struck:.0f} s")
    reporter = pytestconfig.pluginmanager.get_plugin("terminalreporter")
    reporter.write_line("\nseconds from the fault until the outputs were complete:")
    for line in found:
        reporter.write_line(f"  {line}")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faults")
    write_raw(folder)
    file = folder / "faults.yaml"
    file.write_text(CONFIG.format(folder=folder))
    return file


@pytest.fixture(scope="module")
def reference(config: Path, recovered: Recovery) -> Path:
    """The undisturbed run, in local mode."""
    began = time.monotonic()
    succeed(*local("pipeline", config, config.parent / "undisturbed"))
    recovered("(the whole pipeline, undisturbed, in local mode)", began)
    assert leftovers(config.parent / "undisturbed") == []
    return config.parent / "undisturbed"


@pytest.fixture
def run_dir(reference: Path, tmp_path: Path) -> Path:
    """A copy of the undisturbed run."""
    return Path(shutil.copytree(reference, tmp_path / "run"))


def executors(cluster: Cluster) -> list[psutil.Process]:
    """Return the executors of the cluster's Workers."""
    found = []
    for worker in daemons(cluster, "worker"):
        for child in worker.children():
            # A zombie of the shell that became the Worker's JVM has no command line.
            with contextlib.suppress(psutil.ZombieProcess):
                if "CoarseGrainedExecutorBackend" in " ".join(child.cmdline()):
                    found.append(child)
    return found


def daemons(cluster: Cluster, kind: str) -> list[psutil.Process]:
    return [one for name, one in cluster.processes().items() if one and name.startswith(kind)]


OUTPUTS = {
    "ingest": ["ratings", "movies", "rejects"],
    "prepare": ["user_index", "movie_index", "train", "valid", "test"],
    "score": ["predictions/bias", "predictions/biased_mf"],
}


@pytest.mark.parametrize(
    ("job", "staged"),
    [
        ("ingest", ".ratings.tmp"),
        ("prepare", ".train.tmp"),
        ("score", "predictions/.biased_mf.tmp"),
    ],
)
def test_executor_killed(
    cluster: Cluster,
    config: Path,
    reference: Path,
    run_dir: Path,
    recovered: Recovery,
    *,
    job: str,
    staged: str,
) -> None:
    before = {path: path.stat().st_mtime_ns for path in run_dir.rglob("_MANIFEST.json")}
    words = ("--config", config, "--run_dir", run_dir, "--force")
    with started(*cluster.command(job, *words), **cluster.settings) as struck:
        attempts = run_dir / f"{staged}.attempts"
        struck.wait_for(lambda: attempts.exists() and any(attempts.iterdir()))
        executors(cluster)[0].kill()
        at = time.monotonic()
        assert struck.end() == 0, struck.said[-5000:]
        recovered(f"executor killed during {job}", at)
        assert "Lost executor" in struck.said
    after = {path: path.stat().st_mtime_ns for path in run_dir.rglob("_MANIFEST.json")}
    changed = {path.parent.name for path in after if before.get(path) != after[path]}
    assert (
        changed
        == {
            "ingest": {"ratings", "movies", "rejects"},
            "prepare": {"user_index", "movie_index", "user", "movie", "train", "valid", "test"},
            "score": {"bias", "biased_mf"},
        }[job]
    )
    check_same(run_dir, reference, OUTPUTS[job])


def test_worker_killed_while_training(
    cluster: Cluster, config: Path, reference: Path, run_dir: Path, recovered: Recovery
) -> None:
    words = ("--config", config, "--run_dir", run_dir, "--models", "biased_mf", "--force")
    longer = (*words, "--train.epochs", "40", "--train.patience", "40")
    with started(*cluster.command("train", *longer), **cluster.settings) as struck:
        checkpoints = run_dir / "checkpoints" / "biased_mf"
        struck.wait_for(lambda: len(list(checkpoints.glob("*/state.json"))) > 0)
        executor = executors(cluster)[0]
        worker = executor.parent()
        for process in (worker, executor):
            process.kill()
        at = time.monotonic()
        assert struck.end() == 6, struck.said[-5000:]
        assert time.monotonic() - at < 60
    name = next(n for n, one in cluster.processes().items() if one is None)
    cluster.restart(name)
    # The earlier model is still there, and the interrupted one continues from its checkpoint.
    assert read_manifest(RunPaths(str(run_dir)).model("biased_mf")) is not None
    resumed = succeed(
        *cluster.command("train", *longer, "--train.resume", "true"), **cluster.settings
    )
    recovered("Worker killed during training, resumed", at)
    assert "continues from" in resumed
    assert leftovers(run_dir) == []
    # The plain settings again, as the undisturbed run had them.
    succeed(*cluster.command("train", *words), **cluster.settings)
    for job in ("score", "evaluate"):
        succeed(*local(job, config, run_dir))
    check_same_figures(run_dir, reference)
    assert leftovers(run_dir) == []


# A log line, and the path whose appearance triggers the kill; None kills right after the line.
BLOWS = [
    ("ingest: start", ".ratings.tmp.attempts"),
    ("ingest: done", None),
    ("prepare: start", ".train.tmp.attempts"),
    ("prepare: done", None),
    ("baseline: start", "models/.bias.tmp"),
    ("baseline: done", None),
    ("train: start", "checkpoints/biased_mf"),
    ("train: done", None),
    ("score: start", "predictions/.bias.tmp.attempts"),
    ("score: done", None),
    ("evaluate: bias has RMSE", None),
]


def test_driver_killed_in_every_stage_and_between_any_two(
    config: Path, reference: Path, tmp_path: Path, recovered: Recovery
) -> None:
    run_dir = tmp_path / "run"
    command = local("pipeline", config, run_dir)
    for line, staged in BLOWS:
        with started(*command) as struck:
            struck.wait_for_line(line)
            if staged:
                struck.wait_for(lambda path=run_dir / staged: path.exists())
            struck.kill_driver()
        at = time.monotonic()
        assert list(run_dir.glob(".held-*")), "a killed job cannot release its lock"
    succeed(*command)
    recovered("driver killed 11 times, after the last: evaluate", at)
    check_same(run_dir, reference)
    check_same_figures(run_dir, reference)


def test_two_pipelines_on_one_run_directory(
    config: Path, reference: Path, tmp_path: Path, recovered: Recovery
) -> None:
    run_dir = tmp_path / "run"
    command = local("pipeline", config, run_dir)
    with started(*command) as first:
        first.wait_for_line("ingest: start")
        with started(*command, "--force") as second:
            second.wait_for_line("found pipeline at work on")
            at = time.monotonic()
            assert second.end() == 8
            assert f"(pid {first.process.pid} on " in second.said
            assert "ingest: start" not in second.said
        assert first.end() == 0, first.said[-5000:]
    recovered("second pipeline refused; the first ends", at)
    check_same(run_dir, reference)
    check_same_figures(run_dir, reference)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A separate file system, 64 MB in memory."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no right to mount a small disk: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.mark.parametrize("job", ["ingest", "prepare"])
def test_disk_full(
    small_disk: Path, config: Path, reference: Path, recovered: Recovery, job: str
) -> None:
    run_dir = Path(shutil.copytree(reference, small_disk / "run"))
    free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
    (small_disk / "filler").write_bytes(bytes(free - 300_000))
    command = local(job, config, run_dir, "--force")
    with started(*command) as struck:
        code = struck.end()
        at = time.monotonic()
        assert code == 5, struck.said[-5000:]
        assert "No space left on device" in struck.said
        assert "Free some space, or move one of them" in struck.said
        assert "Traceback" not in struck.said.split("failed: ")[-1]
    assert leftovers(run_dir) == []
    check_same(run_dir, reference)  # the earlier outputs are still there
    (small_disk / "filler").unlink()
    succeed(*command)
    recovered(f"disk full during {job}, run again", at)
    check_same(run_dir, reference)


def flip_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 8
    file.write_bytes(content)


def test_parquet_truncated_or_a_bit_flipped(
    config: Path, reference: Path, run_dir: Path, recovered: Recovery
) -> None:
    """The job that reads them refuses; the pipeline makes them and all that follows again."""
    (flipped, *_) = sorted((run_dir / "ratings").rglob("*.parquet"))
    flip_bit(flipped)
    for job in ("prepare", "explore"):
        with started(*local(job, config, run_dir, "--force")) as refused:
            assert refused.end() == 5, refused.said[-5000:]
            assert f"found {flipped} with a different checksum" in refused.said
            assert "Run jobs/ingest.py" in refused.said
    at = time.monotonic()
    succeed(*local("pipeline", config, run_dir))
    recovered("bit flipped in ratings, run again", at)
    check_same(run_dir, reference)
    (cut, *_) = sorted((run_dir / "train").rglob("*.parquet"))
    os.truncate(cut, cut.stat().st_size - 4)
    with started(*local("train", config, run_dir, "--force")) as refused:
        assert refused.end() == 5, refused.said[-5000:]
        assert f"found {cut} of " in refused.said
    at = time.monotonic()
    succeed(*local("pipeline", config, run_dir))
    recovered("train truncated, run again", at)
    check_same(run_dir, reference)
    check_same_figures(run_dir, reference)


DAY = 86_400


@dataclass(frozen=True)
class Clock:
    """The clock of a job, and the environment that installs it."""

    file: Path
    environment: dict[str, str]

    def set(self, days: int) -> None:
        """Shift the clock by a number of days."""
        with open(self.file, "r+b") as file:
            file.write(struct.pack("=q", days * DAY))


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler for the library that shifts a clock")
    library, file = tmp_path / "clock.so", tmp_path / "clock"
    source = Path(__file__).with_name("clock.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True)
    file.write_bytes(bytes(8))
    return Clock(file, {"LD_PRELOAD": str(library), "CLOCK_SHIFT_FILE": str(file)})


def test_clock_that_jumps(
    clock: Clock, config: Path, reference: Path, tmp_path: Path, recovered: Recovery
) -> None:
    """Two days back, forty days forward, then the true time: nothing depends on dates."""
    run_dir = tmp_path / "run"
    command = local("pipeline", config, run_dir)
    with started(*command, **clock.environment) as struck:
        at = 0.0
        for line, days in (("ingest: done", -2), ("prepare: done", 40)):
            struck.wait_for_line(line)
            clock.set(days)
            at = at or time.monotonic()
        code = struck.end()
    if code:  # Spark gives up executors that seem silent
        succeed(*command)
    recovered(f"clock jumps, {'run again' if code else 'by itself'}", at)
    days = {json.loads(path.read_text())["created_at"][:10] for path in manifests(run_dir)}
    assert len(days) > 1, "the clock did not jump"
    check_same(run_dir, reference)
    check_same_figures(run_dir, reference)
    before = {path: path.read_bytes() for path in manifests(run_dir)}
    succeed(*command)
    after = {path: path.read_bytes() for path in manifests(run_dir)}
    changed = {path.parent.name for path in after if after[path] != before.get(path)}
    assert changed == {"metrics"}  # evaluate runs every time


def manifests(run_dir: Path) -> list[Path]:
    return sorted(run_dir.rglob("_MANIFEST.json"))
