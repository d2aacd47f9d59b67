"""How far training is: rank 0 writes it to a small file, whoever started the job shows it.

A file, because what ranks print reaches the driver through pipes and in whole lines, which is no
use to a bar.
"""

from __future__ import annotations

import contextlib
import logging
import posixpath
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from tqdm import tqdm

from recspark.files import storage

logger = logging.getLogger(__name__)

PROGRESS = "progress.json"
WRITE_SECONDS = 0.5


class ProgressWriter:
    """Writes the progress file, at most twice a second and after epochs; an OnProgress."""

    def __init__(self, folder: str, epochs: int) -> None:
        """Write to `folder`; a run has `epochs` epochs at most."""
        self._path, self._epochs = posixpath.join(folder, PROGRESS), epochs
        self._written = (0.0, 0)
        self._resumed_at: list[int] | None = None

    def tell_resumed(self, epoch: int, step: int) -> None:
        """Note where a run that was cut short goes on."""
        self._resumed_at = [epoch, step]

    def __call__(
        self, epoch: int, step: int, num_steps: int, speed: float, history: list[Any]
    ) -> None:
        """Write, unless that was done a moment ago."""
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
        storage.write_json(self._path, progress)


@contextlib.contextmanager
def show_progress(folder: str, name: str) -> Iterator[None]:
    """Show the progress of a training run while the body waits for it.

    A bar where a person is watching (stderr is a terminal), else a log line an epoch.
    """
    show = _make_bar(name) if sys.stderr.isatty() else _make_lines(name)
    stop = threading.Event()

    def follow() -> None:
        while not stop.wait(WRITE_SECONDS):
            look()

    def look() -> None:
        # The file comes a while after the start, and goes when the stage cleans up.
        with contextlib.suppress(OSError, ValueError):
            show(storage.read_json(posixpath.join(folder, PROGRESS)))

    thread = threading.Thread(target=follow, name="training progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        look()
        show.close()


class _Lines:
    """Logs each epoch that this run finishes, once."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._num_logged = 0
        self._is_told = False

    def __call__(self, progress: dict[str, Any]) -> None:
        if progress["resumed_at"] and not self._is_told:
            self._is_told = True
            epoch, step = progress["resumed_at"]
            logger.info("train: %s continues from epoch %s, step %s", self._name, epoch, step)
            self._num_logged = epoch
        for record in progress["history"][self._num_logged :]:
            logger.info(
                "train: %s epoch %s: train RMSE %.4f, valid RMSE %s, %s rows/s",
                self._name,
                record["epoch"],
                record["train_rmse"],
                _figure(record["valid_rmse"]),
                f"{record['rows_per_second']:,}",
            )
        self._num_logged = len(progress["history"])

    def close(self) -> None:
        """Nothing is open."""


class _Bar:
    """Draws steps done of all steps; early stopping ends it before its full length."""

    def __init__(self, name: str) -> None:
        self._bar = tqdm(desc=name, unit="step", dynamic_ncols=True)

    def __call__(self, progress: dict[str, Any]) -> None:
        self._bar.total = progress["epochs"] * progress["num_steps"]
        self._bar.n = progress["epoch"] * progress["num_steps"] + progress["step"]
        last = progress["history"][-1] if progress["history"] else {"valid_rmse": None}
        self._bar.set_postfix_str(
            f"epoch {progress['epoch']}, valid RMSE {_figure(last['valid_rmse'])}, "
            f"{progress['rows_per_second']:,} rows/s"
        )

    def close(self) -> None:
        """End the line of the bar."""
        self._bar.close()


def _make_lines(name: str) -> _Lines | _Bar:
    return _Lines(name)


def _make_bar(name: str) -> _Lines | _Bar:
    return _Bar(name)


def _figure(rmse: float | None) -> str:
    return "–" if rmse is None else f"{rmse:.4f}"
