"""Seconds and peak memory of a stage: this process and all its children (JVM, Python workers)."""

from __future__ import annotations

import contextlib
import threading
import time
from types import TracebackType

import psutil

SAMPLE_SECONDS = 0.5


class Meter:
    """A context that measures `seconds` and `peak_memory_bytes` (summed resident size, sampled)."""

    def __init__(self) -> None:
        self._peak = 0
        self._started = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="meter", daemon=True)

    @property
    def seconds(self) -> float:
        """Seconds since the context was entered."""
        return time.monotonic() - self._started

    @property
    def peak_memory_bytes(self) -> int:
        """Peak resident memory so far, in bytes."""
        self._peak = max(self._peak, resident_bytes())
        return self._peak

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

    def _sample(self) -> None:
        while True:
            self._peak = max(self._peak, resident_bytes())
            if self._stop.wait(SAMPLE_SECONDS):
                return


def resident_bytes() -> int:
    """Return the resident memory of this process and all its descendants, in bytes.

    Pages shared by forked workers are counted once per worker, so the sum is an upper bound.
    """
    total = 0
    process = psutil.Process()
    for one in [process, *process.children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            total += one.memory_info().rss
    return total
