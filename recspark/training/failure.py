"""A failed rank tells the driver why: a file with the error and the rank's last log lines.

The launchers pass on that a process ended, but not always what it died of.
"""

from __future__ import annotations

import collections
import contextlib
import logging
import posixpath
import socket
import time
import traceback
from collections.abc import Iterator
from typing import Any

from recspark import storage

LAST_LINES = 20


@contextlib.contextmanager
def report_failure(folder: str, rank: int) -> Iterator[None]:
    """Write `failure-rank-<rank>.json` into the folder when the body raises, and raise on."""
    lines = _LastLines()
    package = logging.getLogger("recspark")
    package.addHandler(lines)
    try:
        yield
    except Exception as error:
        report = {
            "time": time.time(),
            "rank": rank,
            "host": socket.gethostname(),
            "error": f"{type(error).__name__}: {error}",
            "traceback": traceback.format_exc().splitlines()[-LAST_LINES:],
            "log": list(lines.kept),
        }
        storage.write_json(posixpath.join(folder, f"failure-rank-{rank}.json"), report)
        raise
    finally:
        package.removeHandler(lines)


def read_failures(folder: str) -> list[dict[str, Any]]:
    """Return what failed ranks wrote, the first to fail first."""
    files = storage.list_files(posixpath.join(folder, "failure-rank-*.json"))
    return sorted((storage.read_json(file.path) for file in files), key=lambda one: one["time"])


def explain_failures(failures: list[dict[str, Any]], launcher: str) -> str:
    """Return what happened: the first rank's error and last lines, the others' errors in brief.

    Args:
        failures: What `read_failures` returned; empty where a rank was killed and wrote nothing.
        launcher: What the launcher said.
    """
    if not failures:
        return "no rank said why (was one killed?); the launcher's last words:\n" + _tail(launcher)
    first, *others = failures
    lines = [f"rank {first['rank']} on {first['host']}: {first['error']}"]
    lines += [
        f"then rank {other['rank']} on {other['host']}: {other['error'].splitlines()[0]}"
        for other in others
        if other["error"] != first["error"]
    ]
    lines += ["last log lines:", *first["log"]] if first["log"] else []
    return "\n  ".join([*lines, "traceback:", *first["traceback"]])


def _tail(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.strip().splitlines()[-LAST_LINES:])


class _LastLines(logging.Handler):
    """Keeps the last log lines."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.kept: collections.deque[str] = collections.deque(maxlen=LAST_LINES)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line."""
        self.kept.append(f"{record.levelname} {record.getMessage()}")
