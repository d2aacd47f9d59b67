"""Jobs as processes on one run directory: the second refuses; a killed one's leftovers go."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from recspark.datasets import lock
from recspark.datasets.lock import RunLock, sweep
from recspark.datasets.process_identity import machine_id, process_start
from recspark.datasets.step import Step
from recspark.errors import DataError, InUseError

HOLD = """
import sys, time
from pathlib import Path
from recspark.datasets.lock import RunLock
root, stage, writes, reads = sys.argv[1:]
with RunLock(root, stage, [w for w in writes.split(",") if w], [r for r in reads.split(",") if r]):
    staged = Path(root, ".train.tmp")
    staged.mkdir(exist_ok=True)
    (staged / "part").write_text("half")
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def hold(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start a process that holds a lock in `tmp_path` until it is killed."""
    running: list[subprocess.Popen[str]] = []

    def start(
        stage: str, writes: tuple[str, ...], reads: tuple[str, ...] = ()
    ) -> subprocess.Popen[str]:
        paths = (",".join(f"{tmp_path}/{name}" for name in names) for names in (writes, reads))
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(tmp_path), stage, *paths],
            stdout=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def take_lock(
    root: Path, stage: str, writes: tuple[str, ...], reads: tuple[str, ...] = ()
) -> RunLock:
    names = ([f"{root}/{name}" for name in some] for some in (writes, reads))
    return RunLock(str(root), stage, *names)


def lock_files(root: Path) -> list[str]:
    return sorted(p.name for p in root.iterdir() if p.name.startswith(".held-"))


def test_second_refuses_names_the_first_and_touches_nothing(
    hold: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    first = hold("prepare", ("train", "test"))
    step = Step("train", {}, {}, [str(tmp_path / "train")])
    with pytest.raises(InUseError) as error, step:
        pass
    assert re.search(
        rf"found prepare at work on train since 20\d\d-.*\(pid {first.pid} on .+\)",
        str(error.value),
    )
    assert error.value.exit_code == 8
    assert (tmp_path / ".train.tmp" / "part").read_text() == "half"
    assert len(lock_files(tmp_path)) == 1


def test_only_what_the_other_needs_is_refused(
    hold: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    hold("train", ("models/a",), ("train",))
    for writes, reads in (
        (("models/b",), ("train",)),
        (("models/aa",), ()),
        (("models/b",), ("ratings",)),
    ):
        with take_lock(tmp_path, "train", writes, reads):
            assert len(lock_files(tmp_path)) == 2
    for writes, reads, conflict in (
        (("models/a",), (), "models/a"),
        (("train",), (), "train"),
        (("predictions/a",), ("models/a",), "models/a"),
        (("",), (), "models/a"),
        (("models",), (), "models/a"),
    ):
        with (
            pytest.raises(InUseError, match=f"train at work on {conflict} since"),
            take_lock(tmp_path, "x", writes, reads),
        ):
            pass
    assert len(lock_files(tmp_path)) == 1


def test_pipeline_keeps_others_out_of_all_of_it(
    hold: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    hold("pipeline", ("",))
    with (
        pytest.raises(InUseError, match="pipeline at work on"),
        take_lock(tmp_path, "similar", ("similar_movies/a",)),
    ):
        pass


def test_pipeline_is_named_and_not_its_current_stage(tmp_path: Path) -> None:
    for _ in range(8):  # the files have random names
        with (
            take_lock(tmp_path, "pipeline", ("",)),
            take_lock(tmp_path, "ingest", ("movies", "ratings"), ("",)),
        ):
            found = lock._read_locks(str(tmp_path), None)
        assert [owner.stage for _, owner in found] == ["pipeline", "ingest"]


def test_stages_of_one_process_go_on_inside_its_pipeline(tmp_path: Path) -> None:
    with take_lock(tmp_path, "pipeline", ("",)), take_lock(tmp_path, "prepare", ("train",)):
        assert len(lock_files(tmp_path)) == 2
    assert lock_files(tmp_path) == []


def test_killed_job_blocks_nobody(
    hold: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    """Not even as a zombie, before its parent has reaped it."""
    first = hold("prepare", ("train", "test"))
    first.send_signal(signal.SIGKILL)
    while process_start(first.pid) is not None:
        time.sleep(0.01)
    with take_lock(tmp_path, "prepare", ("train", "test")):
        assert not (tmp_path / ".train.tmp").exists()
        assert len(lock_files(tmp_path)) == 1
    assert list(tmp_path.iterdir()) == []


def test_next_job_clears_up_after_a_killed_one_even_if_it_is_up_to_date(
    hold: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    hold("train", ("train",)).kill()
    alive = hold("score", ("predictions/a",))
    step = Step("evaluate", {}, {}, [str(tmp_path / "metrics")])
    deadline = time.monotonic() + 300
    while (tmp_path / ".train.tmp").exists():  # until the kill has taken effect
        assert time.monotonic() < deadline
        assert not step.is_done()
    assert len(lock_files(tmp_path)) == 1
    assert process_start(alive.pid) is not None


def test_reused_process_id_does_not_keep_a_lock_alive(tmp_path: Path) -> None:
    write_foreign(tmp_path, machine=machine_id(), pid=os.getppid(), started=1.0)
    with take_lock(tmp_path, "train", ("train",)):
        assert len(lock_files(tmp_path)) == 1


def test_lock_cannot_affect_paths_outside_its_run_directory(tmp_path: Path) -> None:
    root, outside = tmp_path / "run", tmp_path / "outside"
    root.mkdir()
    (outside / ".x.tmp").mkdir(parents=True)
    for name in ("../outside/x", f"{outside}/x", f"file://{outside}/x"):
        dead = {"machine": machine_id(), "pid": os.getppid(), "started": 1.0}
        write_foreign(root, **dead, writes=[name])
        sweep(str(root))
        with take_lock(root, "pipeline", ("",)):
            assert (outside / ".x.tmp").exists()


def write_foreign(root: Path, kind: str = "held", **changes: object) -> Path:
    """Write the lock file of a job on another host."""
    owner = {
        **{"id": "0", "stage": "prepare", "writes": ["train"], "reads": []},
        **{"machine": "another boot", "host": "far-away", "pid": 1, "started": 5.0},
        "since": "2026-11-01T00:00:00+00:00",
    }
    path = root / f".{kind}-{changes.get('id', '0')}.json"
    path.write_text(json.dumps({**owner, **changes}))
    return path


@pytest.mark.parametrize("seconds", [-3600.0, 3600.0], ids=["old", "from the future"])
def test_other_hosts_lock_ends_without_signs_of_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    monkeypatch.setattr(lock, "BEAT_SECONDS", 0.2)
    path = write_foreign(tmp_path)
    with pytest.raises(InUseError, match="pid 1 on far-away"), take_lock(tmp_path, "x", ("train",)):
        pass
    os.utime(path, (time.time() + seconds,) * 2)
    (tmp_path / ".train.tmp").mkdir()
    sweep(str(tmp_path))  # must leave the locks of other machines alone
    assert path.exists()
    with take_lock(tmp_path, "x", ("train",)):
        assert not path.exists()
        assert not (tmp_path / ".train.tmp").exists()


def test_other_host_whose_clock_is_off_is_watched_and_found_alive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "BEAT_SECONDS", 5.0)
    path = write_foreign(tmp_path)
    os.utime(path, (1.0, 1.0))
    stop = threading.Event()

    def beat() -> None:
        times = itertools.count(2)
        while not stop.wait(0.3):
            os.utime(path, (next(times),) * 2)

    owner = threading.Thread(target=beat)
    owner.start()
    try:
        with pytest.raises(InUseError), take_lock(tmp_path, "x", ("train",)):
            pass
    finally:
        stop.set()
        owner.join()
    assert path.exists()


def test_lock_is_touched_while_it_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "BEAT_SECONDS", 0.05)
    with take_lock(tmp_path, "x", ("train",)):
        (path,) = tmp_path.glob(".held-*")
        os.utime(path, (1.0, 1.0))
        deadline = time.monotonic() + 10
        while path.stat().st_mtime < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert list(tmp_path.iterdir()) == []


def test_job_that_lost_its_lock_publishes_and_removes_nothing(tmp_path: Path) -> None:
    step = Step("train", {}, {}, [str(tmp_path / "train")])

    def lose_lock() -> None:
        with step:
            for path in tmp_path.glob(".held-*"):
                path.unlink()
            (tmp_path / ".train.tmp").mkdir()  # now the other job's
            step.publish(step.outputs[0], None)

    with pytest.raises(DataError, match="no lock of this job any more"):
        lose_lock()
    assert [path.name for path in tmp_path.iterdir()] == [".train.tmp"]


def test_half_written_lock_expires(tmp_path: Path) -> None:
    left = tmp_path / ".held-1.json"
    left.write_text('{"id": ')
    with take_lock(tmp_path, "x", ("train",)):
        assert left.exists()
    os.utime(left, (1.0, 1.0))
    with take_lock(tmp_path, "x", ("train",)):
        assert not left.exists()


def test_job_that_starts_at_the_same_moment_may_withdraw(tmp_path: Path) -> None:
    """Another lock that comes and goes is that of a job which looks, sees this one, and waits."""

    def come_and_go() -> None:
        for number in range(40):
            other = write_foreign(tmp_path, id=str(number))
            time.sleep(0.01 * (number % 3))
            other.unlink()

    other = threading.Thread(target=come_and_go)
    other.start()
    while not lock_files(tmp_path):
        time.sleep(0.001)
    with take_lock(tmp_path, "x", ("train",)):
        pass
    other.join()
    write_foreign(tmp_path)  # and this one stays
    with pytest.raises(InUseError), take_lock(tmp_path, "x", ("train",)):
        pass


def test_clearing_up_is_waited_for(tmp_path: Path) -> None:
    sweep_lock = write_foreign(tmp_path, stage="clearing up")
    ends = threading.Timer(1.5, sweep_lock.unlink)
    ends.start()
    with take_lock(tmp_path, "x", ("train",)):
        assert not sweep_lock.exists()
    ends.join()


def test_lock_that_is_empty_while_its_owner_touches_it_counts(tmp_path: Path) -> None:
    """HDFS has no touch: the file is written anew, and is empty for a moment."""
    path = write_foreign(tmp_path)
    content = path.read_bytes()
    path.write_bytes(b"")
    owner = threading.Timer(0.07, path.write_bytes, [content])
    owner.start()
    with pytest.raises(InUseError), take_lock(tmp_path, "x", ("train",)):
        pass
    owner.join()


RACE = """
import sys, time
from pathlib import Path
from recspark.datasets.lock import RunLock
from recspark.errors import InUseError
root, number, rounds = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
(root / f"ready-{number}").touch()
for one in range(rounds):
    folder = root / f"round-{one}"
    while not (folder / "go").exists():
        time.sleep(0.001)
    try:
        with RunLock(str(folder), "racer", [f"{folder}/train"]):
            (folder / f"won-{number}").touch()
            while len(list(folder.glob("lost-*"))) + len(list(folder.glob("won-*"))) < 4:
                time.sleep(0.001)
    except InUseError:
        (folder / f"lost-{number}").touch()
"""


def test_of_several_that_start_at_one_moment_exactly_one_goes_on(tmp_path: Path) -> None:
    rounds = 8
    for one in range(rounds):
        (tmp_path / f"round-{one}").mkdir()
    command = [sys.executable, "-c", RACE, str(tmp_path)]
    racers = [subprocess.Popen([*command, str(number), str(rounds)]) for number in range(4)]
    try:
        deadline = time.monotonic() + 300
        while len(list(tmp_path.glob("ready-*"))) < 4:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        for one in range(rounds):
            (tmp_path / f"round-{one}" / "go").touch()
        for racer in racers:
            assert racer.wait(300) == 0
    finally:
        for racer in racers:
            racer.kill()
    for one in range(rounds):
        folder = tmp_path / f"round-{one}"
        assert len(list(folder.glob("won-*"))) == 1
        assert len(list(folder.glob("lost-*"))) == 3
        assert lock_files(folder) == []
