"""Packs sizes into runs of bounded total."""

from __future__ import annotations

from collections.abc import Sequence


def pack(sizes: Sequence[int], capacity: int) -> list[range]:
    """Return runs of consecutive positions whose sizes sum to at most `capacity`.

    A single size above the capacity gets its own run.
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
