"""Seconds and peak memory of a stage: this process and all its children (JVM, Python workers).

Memory is the proportional set size: a page that several processes share counts as a share in each,
so that it counts once in their sum. Where it is unknown (not on Linux, or a process of another
user), the resident size takes its place, and counts shared pages once per process.
"""

from __future__ import annotations

import contextlib
import threading
import time
from types import TracebackType
from typing import Literal

import psutil

Measure = Literal["proportional", "resident"]

SAMPLE_SECONDS = 0.5
# Sampling takes at most this share of the time of one core.
_MAX_SHARE = 0.05


class Meter:
    """A context that measures `seconds` and, by sampling, `peak_memory_bytes`."""

    def __init__(self) -> None:
        self._peak = 0
        self._measure: Measure = "proportional"
        self._started = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="meter", daemon=True)

    @property
    def seconds(self) -> float:
        """Seconds since the context was entered."""
        return time.monotonic() - self._started

    @property
    def peak_memory_bytes(self) -> int:
        """Peak memory so far, in bytes."""
        self._sample()
        return self._peak

    @property
    def memory_measure(self) -> Measure:
        """What the peak is: `resident` if that was all that was known of some process."""
        return self._measure

    def __enter__(self) -> Meter:
        self._started = time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            started = time.thread_time()
            self._sample()
            cost = time.thread_time() - started
            if self._stop.wait(max(SAMPLE_SECONDS, cost / _MAX_SHARE)):
                return

    def _sample(self) -> None:
        size, measure = measure_family()
        self._peak = max(self._peak, size)
        if measure == "resident":
            self._measure = measure


def measure_family() -> tuple[int, Measure]:
    """Return the memory of this process and all its descendants in bytes, and what it is."""
    total = 0
    measure: Measure = "proportional"
    process = psutil.Process()
    for one in [process, *process.children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            size, found = measure_process(one)
            total += size
            measure = measure if found == "proportional" else found
    return total, measure


def measure_process(process: psutil.Process) -> tuple[int, Measure]:
    """Return the memory of one process in bytes, and what it is.

    Raises:
        psutil.Error: The process has ended.
    """
    size = read_proportional(f"/proc/{process.pid}/smaps_rollup")
    if size is not None:
        return size, "proportional"
    resident = process.memory_info().rss
    # A process that has just ended has none, which says nothing about the measure.
    return resident, "resident" if resident else "proportional"


def read_proportional(path: str) -> int | None:
    """Return the `Pss` of a file like `/proc/1/smaps_rollup` in bytes, or None if there is none."""
    try:
        with open(path, "rb") as file:
            for line in file:
                if line.startswith(b"Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        return None
    return None
