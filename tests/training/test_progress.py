"""Training progress on a terminal and in log lines: epochs from 1, and how the run ended."""

from __future__ import annotations

import io
import logging
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from recspark.training.progress import ProgressWriter, _Lines, show_progress

STEPS = 10


class Screen(io.StringIO):
    """The text written to a terminal."""

    def isatty(self) -> bool:
        return True


def record(epoch: int) -> dict[str, Any]:
    return {
        "epoch": epoch,
        "train_rmse": 1.0 - epoch / 10,
        "valid_rmse": 1.1 - epoch / 10,
        "rows_per_second": 5000,
    }


def train(folder: Path, *, epochs: int, done: int, resumed: int | None = None) -> None:
    """Write the progress of rank 0 in a run that finishes `done` of `epochs`."""
    writer = ProgressWriter(str(folder), epochs)
    if resumed is not None:
        writer.note_resumed(resumed, 4)
    for epoch in range(done):
        writer(epoch, STEPS, STEPS, 5000.0, [record(one) for one in range(epoch + 1)])


def fail(folder: Path, done: int) -> None:
    """Show a run that fails after `done` of 5 epochs."""

    def run() -> None:
        with show_progress(str(folder), "mf"):
            train(folder, epochs=5, done=done)
            raise KeyError

    with pytest.raises(KeyError):
        run()


def lines_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if "progress" in one.name]


@pytest.fixture
def unwatched(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(logging.getLogger("recspark"), "propagate", True)
    caplog.set_level(logging.INFO, "recspark")


def watch(monkeypatch: pytest.MonkeyPatch) -> Screen:
    """Make stderr a terminal. Call it in the test: pytest replaces stderr after fixtures."""
    made = Screen()
    monkeypatch.setattr(sys, "stderr", made)
    return made


def last_bar(screen: Screen) -> str:
    return screen.getvalue().rstrip("\n").split("\r")[-1]


@pytest.mark.usefixtures("unwatched")
def test_lines_count_epochs_from_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with show_progress(str(tmp_path), "mf"):
        train(tmp_path, epochs=2, done=2)
    assert lines_of(caplog) == [
        "train: mf epoch 1: train RMSE 1.0000, valid RMSE 1.1000, 5,000 rows/s",
        "train: mf epoch 2: train RMSE 0.9000, valid RMSE 1.0000, 5,000 rows/s",
    ]


@pytest.mark.usefixtures("unwatched")
def test_lines_say_where_a_run_continues_and_stops(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with show_progress(str(tmp_path), "mf"):
        train(tmp_path, epochs=5, done=3, resumed=2)
    assert lines_of(caplog) == [
        "train: mf continues from epoch 3, step 4",
        "train: mf epoch 3: train RMSE 0.8000, valid RMSE 0.9000, 5,000 rows/s",
        "train: mf stopped early at epoch 3 of 5",
    ]


@pytest.mark.usefixtures("unwatched")
def test_a_failed_run_did_not_stop_early(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fail(tmp_path, done=3)
    assert len(lines_of(caplog)) == 3
    assert not any("early" in line for line in lines_of(caplog))


@pytest.mark.usefixtures("unwatched")
def test_long_epochs_are_logged_on_the_way(caplog: pytest.LogCaptureFixture) -> None:
    show = _Lines("mf", seconds=0.1)
    progress = {
        **{"epoch": 1, "epochs": 5, "step": 3, "num_steps": 1000, "rows_per_second": 5000},
        **{"resumed_at": None, "history": []},
    }
    show(progress)
    assert lines_of(caplog) == []
    time.sleep(0.15)
    show(progress)
    assert lines_of(caplog) == []  # nothing new: the stage's heartbeat line is enough
    show({**progress, "step": 700})
    show({**progress, "step": 701})
    assert lines_of(caplog) == ["train: mf epoch 2 of 5, step 700 of 1,000, 5,000 rows/s"]


def test_the_bar_ends_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = watch(monkeypatch)
    with show_progress(str(tmp_path), "mf"):
        train(tmp_path, epochs=3, done=3)
    assert "100%" in last_bar(screen)
    assert "30/30" in last_bar(screen)
    assert "epoch 3, valid RMSE 0.9000" in last_bar(screen)


def test_the_bar_says_that_training_stopped_early(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = watch(monkeypatch)
    with show_progress(str(tmp_path), "mf"):
        train(tmp_path, epochs=5, done=2)
    assert "stopped early at epoch 2 of 5, valid RMSE 1.0000" in last_bar(screen)


def test_the_bar_of_a_failed_run_does_not_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = watch(monkeypatch)
    fail(tmp_path, done=2)
    assert "20/50" in last_bar(screen)
    assert "early" not in screen.getvalue()


def test_of_many_epochs_each_look_logs_the_latest(caplog: pytest.LogCaptureFixture) -> None:
    """A sampler takes hundreds of sweeps a second on small data."""
    caplog.set_level(logging.INFO)
    show = _Lines("mf")
    for done in (60, 199):
        history = [record(0)] * done + [record(done)]
        show({**progress_of(history), "epochs": 200})
    lines = lines_of(caplog)
    assert [line.split(":")[1].strip() for line in lines] == ["mf epoch 61", "mf epoch 200"]


def test_epochs_of_a_second_fit_say_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    writer = ProgressWriter(str(tmp_path), 30)
    with show_progress(str(tmp_path), "mf"):
        first = [record(epoch) for epoch in range(3)]
        writer(2, STEPS, STEPS, 5000.0, first)
        writer.note_refit(first)
        writer(1, STEPS, STEPS, 5000.0, [record(epoch) for epoch in range(2)])
    starts = [line.split(":")[1].strip() for line in lines_of(caplog)]
    assert starts == [
        *(f"mf epoch {number}" for number in (1, 2, 3)),
        *(f"mf refit, epoch {number}" for number in (1, 2)),
    ]


def progress_of(history: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "epoch": len(history) - 1,
        "epochs": 5,
        "step": STEPS,
        "num_steps": STEPS,
        "rows_per_second": 5000,
        "resumed_at": None,
        "history": history,
    }
