"""Which process is meant, though numbers are given out again and clocks are set."""

from __future__ import annotations

import functools
import os
import socket
from pathlib import Path

import psutil

_STATE, _START = 2 - 2, 21 - 2  # fields of /proc/<pid>/stat behind the name, counted from there


@functools.cache
def machine_id() -> str:
    """Return a name of this boot of this machine, and of the container: where a pid is one process.

    Where the system tells no such thing it is the host's name.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return socket.gethostname()


def process_start(pid: int) -> float | None:
    """Return when a process started, None for one that runs no more (or only waits to be reaped).

    On Linux in ticks since the boot, which setting the clock does not change.
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


def is_this_process(machine: str, pid: int, started: float | None) -> bool:
    """Return whether a process that was noted down is the one that asks."""
    me = os.getpid()
    return (machine, pid, started) == (machine_id(), me, process_start(me))
