"""Sizes packed into runs of bounded total."""

from __future__ import annotations

from collections.abc import Sequence


def pack(sizes: Sequence[int], capacity: int) -> list[range]:
    """Return runs of consecutive positions whose sizes sum up to `capacity` at most.

    A single size above the capacity makes a run of its own.
    """
    runs, start, total = [], 0, 0
    for position, size in enumerate(sizes):
        if position > start and total + size > capacity:
            runs.append(range(start, position))
            start, total = position, 0
        total += size
    if start < len(sizes):
        runs.append(range(start, len(sizes)))
    return runs
