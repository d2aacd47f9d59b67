"""Training progress: rank 0 writes it to a small file, and the driver shows it.

It is a file because the ranks' output reaches the driver through pipes and in whole lines, which a
progress bar cannot use.
"""

from __future__ import annotations

import contextlib
import logging
import posixpath
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from recspark.files import json_files

logger = logging.getLogger(__name__)

PROGRESS = "progress.json"
IS_REFIT = "is_refit"
"""Marks epochs of the second fit in the history of the file."""
WRITE_SECONDS = 0.5
# Shorter than the interval of the stage's heartbeat line (recspark.logs), which then stays away.
LINE_SECONDS = 25.0
# Of a run with more epochs, such as the sweeps of a sampler, each look logs the latest one only.
MANY_EPOCHS = 50


class ProgressWriter:
    """Writes the progress file, at most twice per second and after each epoch; an OnProgress."""

    def __init__(self, folder: str, epochs: int) -> None:
        """Write to `folder`; a run has at most `epochs` epochs."""
        self._path, self._epochs = posixpath.join(folder, PROGRESS), epochs
        self._written = (0.0, 0)
        self._resumed_at: list[int] | None = None
        self._first_fit: list[Any] | None = None

    def note_resumed(self, epoch: int, step: int) -> None:
        """Record where an interrupted run continues."""
        self._resumed_at = [epoch, step]

    def note_refit(self, history: list[Any]) -> None:
        """Record that the second fit begins, after the epochs of the first."""
        self._first_fit = history

    def __call__(
        self, epoch: int, step: int, num_steps: int, speed: float, history: list[Any]
    ) -> None:
        """Write, unless the last write was a moment ago."""
        if self._first_fit is not None:
            again = [{**record, IS_REFIT: True} for record in history]
            history = [*self._first_fit, *again]
        now = time.monotonic()
        if now - self._written[0] < WRITE_SECONDS and len(history) == self._written[1]:
            return
        self._written = (now, len(history))
        progress = {
            "epoch": epoch,
            "epochs": self._epochs,
            "step": step,
            "num_steps": num_steps,
            "rows_per_second": round(speed),
            "resumed_at": self._resumed_at,
            "history": history,
        }
        json_files.write_json(self._path, progress)


@contextlib.contextmanager
def show_progress(folder: str, name: str) -> Iterator[None]:
    """Show the progress of a training run while the body waits for it; epochs count from 1.

    A bar if a person is watching (stderr is a terminal), else a log line per epoch and further ones
    during long epochs.
    """
    show = _make_bar(name) if sys.stderr.isatty() else _make_lines(name)
    stop = threading.Event()

    def follow() -> None:
        while not stop.wait(WRITE_SECONDS):
            update()

    def update() -> None:
        # The file appears some time after the start, and the stage removes it when it cleans up.
        with contextlib.suppress(OSError, ValueError):
            show(json_files.read_json(posixpath.join(folder, PROGRESS)))

    thread = threading.Thread(target=follow, name="training progress", daemon=True)
    thread.start()
    is_finished = False
    try:
        yield
        is_finished = True
    finally:
        stop.set()
        thread.join()
        update()
        show.close(is_finished)


class _Lines:
    """Logs each epoch that this run finishes, and the progress within a long epoch."""

    def __init__(self, name: str, seconds: float = LINE_SECONDS) -> None:
        """Log within an epoch after `seconds` without a line."""
        self._name, self._seconds = name, seconds
        self._num_logged = 0
        self._is_resume_logged = False
        self._logged_at = time.monotonic()
        self._last: dict[str, Any] | None = None

    def __call__(self, progress: dict[str, Any]) -> None:
        if progress["resumed_at"] and not self._is_resume_logged:
            self._is_resume_logged = True
            epoch, step = progress["resumed_at"]
            self._log("train: %s continues from epoch %s, step %s", self._name, epoch + 1, step)
            again = [record for record in progress["history"] if record.get(IS_REFIT)]
            self._num_logged = len(progress["history"]) - len(again) + epoch if again else epoch
        new = progress["history"][self._num_logged :]
        for record in new[-1:] if progress["epochs"] > MANY_EPOCHS else new:
            self._log(
                "train: %s %sepoch %s: %s, %s, %s rows/s",
                self._name,
                "refit, " if record.get(IS_REFIT) else "",
                record["epoch"] + 1,
                _describe_train(record),
                describe_valid(record),
                f"{record['rows_per_second']:,}",
            )
        self._num_logged = len(progress["history"])
        if progress != self._last and time.monotonic() - self._logged_at >= self._seconds:
            self._log(
                "train: %s epoch %s of %s, step %s of %s, %s rows/s",
                self._name,
                progress["epoch"] + 1,
                progress["epochs"],
                f"{progress['step']:,}",
                f"{progress['num_steps']:,}",
                f"{progress['rows_per_second']:,}",
            )
        self._last = progress

    def _log(self, message: str, *values: object) -> None:
        logger.info(message, *values)
        self._logged_at = time.monotonic()

    def close(self, is_finished: bool) -> None:
        """Log the last epoch of a run that finished early."""
        if is_finished and self._last and _stopped_early(self._last):
            self._log("train: %s %s", self._name, _stopped_early(self._last))


class _Bar:
    """Draws the steps done out of all steps; at the end it says whether the run stopped early."""

    def __init__(self, name: str) -> None:
        from tqdm import tqdm  # ranks, which only write progress, do not need it

        self._bar = tqdm(desc=name, unit="step", dynamic_ncols=True)
        self._last: dict[str, Any] | None = None

    def __call__(self, progress: dict[str, Any]) -> None:
        self._last = progress
        self._bar.total = progress["epochs"] * progress["num_steps"]
        self._bar.n = progress["epoch"] * progress["num_steps"] + progress["step"]
        self._describe(f"epoch {progress['epoch'] + 1}")

    def _describe(self, where: str) -> None:
        assert self._last is not None
        history = self._last["history"]
        valid = describe_valid(history[-1]) if history else "no epoch yet"
        speed = f"{self._last['rows_per_second']:,} rows/s"
        self._bar.set_postfix_str(f"{where}, {valid}, {speed}")

    def close(self, is_finished: bool) -> None:
        """Complete the bar, or show the epoch after which training stopped."""
        if is_finished and self._last:
            early = _stopped_early(self._last)
            if early:
                self._describe(early)
            else:
                self._bar.n = self._bar.total
                self._bar.refresh()
        self._bar.close()


def _stopped_early(progress: dict[str, Any]) -> str:
    """Return a note on a finished run that had epochs left, else an empty string."""
    done, epochs = len(progress["history"]), progress["epochs"]
    if done and progress["history"][-1].get(IS_REFIT):
        return ""  # a refit ends when it should
    return f"stopped early at epoch {done} of {epochs}" if done < epochs else ""


def _make_lines(name: str) -> _Lines | _Bar:
    return _Lines(name)


def _make_bar(name: str) -> _Lines | _Bar:
    return _Bar(name)


def describe_valid(record: Mapping[str, Any]) -> str:
    """Return the figure on valid of an epoch, or of a model's card."""
    if "valid_ndcg" in record:
        return f"valid NDCG@10 {_figure(record['valid_ndcg'])}"
    return f"valid RMSE {_figure(record['valid_rmse'])}"


def _describe_train(record: Mapping[str, Any]) -> str:
    if record["train_rmse"] is None:
        return f"train loss {record['train_loss']:.4f}"
    return f"train RMSE {record['train_rmse']:.4f}"


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"
