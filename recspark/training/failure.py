"""Tells the driver why a rank failed: a file holds the error and the rank's last log lines.

The launchers report that a process ended, but not always why.
"""

from __future__ import annotations

import collections
import contextlib
import logging
import posixpath
import re
import signal
import socket
import time
import traceback
from collections.abc import Iterator
from typing import Any

from recspark.files import json_files, storage

LAST_LINES = 20
_EXIT = re.compile(r"rank\s*:\s*(\d+).*?exitcode\s*:\s*(-?\d+)", re.DOTALL)
# How gloo and NCCL report that another rank does not answer.
_PEER_SIGNS = ("connection closed", "connection reset", "timed out", "timeout", "remote process")
MEMORY = (
    "To use less memory, lower train.batch_size or train.embedding_size, raise train.num_ranks "
    "(each rank holds its share of the users), or set train.feed streaming."
)


@contextlib.contextmanager
def report_failure(folder: str, rank: int) -> Iterator[None]:
    """Write `failure-rank-<rank>.json` into the folder when the body raises, then raise again."""
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
            "error": f"{type(error).__name__}: {error}{_remedy(error)}",
            "traceback": traceback.format_exc().splitlines()[-LAST_LINES:],
            "log": list(lines.kept),
        }
        json_files.write_json(posixpath.join(folder, f"failure-rank-{rank}.json"), report)
        raise
    finally:
        package.removeHandler(lines)


def read_failures(folder: str) -> list[dict[str, Any]]:
    """Return the reports of failed ranks, the first failure first."""
    files = storage.list_files(posixpath.join(folder, "failure-rank-*.json"))
    return sorted((json_files.read_json(file.path) for file in files), key=lambda one: one["time"])


def explain_failures(failures: list[dict[str, Any]], launcher: str, num_ranks: int) -> str:
    """Return a message: the first rank's error and last log lines, then the others' errors.

    Args:
        failures: What `read_failures` returned; a rank that was killed wrote nothing.
        launcher: The launcher's output.
        num_ranks: Number of ranks of the run.
    """
    if not failures:
        ended = _EXIT.findall(launcher)
        who = "no rank reported an error: one"
        if ended:
            rank, code = ended[-1]  # torchrun's report ends with the root cause
            who = f"rank {rank} ended with exit code {code} and no message: it"
            if int(code) == -signal.SIGABRT:
                # NCCL's watchdog ends the process itself, so that no error can be recorded.
                who = (
                    f"rank {rank} was ended by SIGABRT, as by NCCL when another rank does not "
                    "answer within train.timeout_seconds: the other"
                )
        return (
            f"{who} was killed or hangs, as when the system runs out of memory. {MEMORY} "
            f"The launcher's last lines:\n{_tail(launcher)}"
        )
    first, *others = failures
    lines = [f"rank {first['rank']} on {first['host']}: {first['error']}"]
    lines += [
        f"then rank {other['rank']} on {other['host']}: {other['error'].splitlines()[0]}"
        for other in others
        if other["error"] != first["error"]
    ]
    silent = sorted(set(range(num_ranks)) - {one["rank"] for one in failures})
    if silent and any(sign in first["error"].lower() for sign in _PEER_SIGNS):
        lines[0] = (
            f"rank {', '.join(map(str, silent))} was killed or hangs, and the others waited "
            f"in vain. If memory ran out: {MEMORY}"
        )
        lines.append(f"rank {first['rank']} on {first['host']} saw: {first['error']}")
    lines += ["last log lines:", *first["log"]] if first["log"] else []
    return "\n  ".join([*lines, "traceback:", *first["traceback"]])


def _remedy(error: Exception) -> str:
    """Return what to change if memory ran out, or nothing for other errors."""
    text = f"{type(error).__name__} {error}".lower()
    signs = ("memoryerror", "out of memory", "outofmemory", "can't allocate", "cannot allocate")
    return f". {MEMORY}" if any(sign in text for sign in signs) else ""


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
