"""Seconds that a rank spent on each part of an epoch."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Literal, get_args

import torch

Part = Literal["feed", "forward_backward", "communication", "optimiser"]
PARTS: tuple[Part, ...] = get_args(Part)


class Clock:
    """Adds the time between marks to parts; on a GPU the time that its stream took, by events."""

    def __init__(self, device: torch.device) -> None:
        """Start; the first mark counts from here."""
        self._is_cuda = device.type == "cuda"
        self._seconds: dict[Part, float] = defaultdict(float)
        self._last = time.perf_counter()
        self._events: list[tuple[Part | None, torch.cuda.Event]] = []
        if self._is_cuda:
            self._record(None)

    def mark(self, part: Part) -> None:
        """Count the time since the last mark as time spent on `part`; does not wait for a GPU."""
        if self._is_cuda:
            self._record(part)
            return
        now = time.perf_counter()
        self._seconds[part] += now - self._last
        self._last = now

    def settle(self) -> dict[Part, float]:
        """Return the seconds of each part so far; waits for a GPU."""
        if self._is_cuda:
            self._events[-1][1].synchronize()
            for (_, before), (part, event) in zip(self._events, self._events[1:], strict=False):
                assert part is not None
                self._seconds[part] += before.elapsed_time(event) / 1000
            self._events = self._events[-1:]
        return self._seconds

    def _record(self, part: Part | None) -> None:
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        self._events.append((part, event))
