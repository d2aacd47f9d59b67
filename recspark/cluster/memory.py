"""How much memory this process may still take."""

from __future__ import annotations

from pathlib import Path

import psutil

_GROUP = Path("/sys/fs/cgroup")


def free_memory_bytes(group: Path = _GROUP) -> int:
    """Return the memory that is free: of the machine, or of its container if that has less.

    Args:
        group: Where the limits of the container stand (cgroup v2).
    """
    free = int(psutil.virtual_memory().available)
    try:
        limit = int((group / "memory.max").read_text())
        used = int((group / "memory.current").read_text())
    except (OSError, ValueError):  # no container, or one without a limit
        return free
    return min(free, max(0, limit - used))
