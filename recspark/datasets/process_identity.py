"""Identifies a process, although process ids are reused and clocks are set."""

from __future__ import annotations

import functools
import socket
from pathlib import Path

import psutil

_STATE, _START = 2 - 2, 21 - 2  # fields of /proc/<pid>/stat, counted from after the name


@functools.cache
def machine_id() -> str:
    """Return a name for this boot and this container, within which a pid identifies one process.

    If the system does not provide them, return the host's name.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return socket.gethostname()


def process_start(pid: int) -> float | None:
    """Return when a process started; None if it has ended, even if it is not yet reaped.

    On Linux the unit is ticks since the boot, which do not change when the clock is set.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if fields[_STATE] in "ZX" else float(fields[_START])
    except (OSError, IndexError):
        pass
    if Path("/proc/self/stat").exists():
        return None
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.Error:
        return None
