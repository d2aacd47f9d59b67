"""The content of a lock file: which job has locked which data sets of a run directory."""

from __future__ import annotations

import itertools
import os
import posixpath
import socket
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from recspark.datasets.process_identity import machine_id, process_start


@dataclass(frozen=True)
class Owner:
    """A job that holds a lock. Paths are relative to the run directory; "" is all of it."""

    id: str
    stage: str
    writes: list[str]
    reads: list[str]
    machine: str
    """The boot of the machine, and the container, within which process ids are unique."""
    host: str
    pid: int
    started: float | None
    """When the process started, by a clock that cannot be set."""
    since: str
    """UTC, ISO 8601; only shown to people."""

    @staticmethod
    def here(root: str, stage: str, writes: Sequence[str], reads: Sequence[str]) -> Owner:
        """Return this process as the owner of a lock on these paths below `root`."""
        return Owner(
            id=uuid.uuid4().hex,
            stage=stage,
            writes=[_relative(root, path) for path in writes],
            reads=[_relative(root, path) for path in reads],
            machine=machine_id(),
            host=socket.gethostname(),
            pid=os.getpid(),
            started=process_start(os.getpid()),
            since=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        )

    @staticmethod
    def read(content: dict[str, Any]) -> Owner:
        """Return the owner that a lock file names.

        Raises:
            ValueError: It names a path outside the run directory.
            TypeError: It is not the content of a lock file.
        """
        owner = Owner(**content)
        for path in (*owner.writes, *owner.reads):
            if posixpath.isabs(path) or "://" in path or ".." in path.split("/"):
                raise ValueError(path)
        return owner

    def is_on_this_machine(self) -> bool:
        """Return whether the job runs, or ran, where its process id can be looked up."""
        return self.machine == machine_id()

    def is_running(self) -> bool:
        """Return whether the job's process, on this machine, still exists."""
        return self.started is not None and process_start(self.pid) == self.started

    def is_this_process(self) -> bool:
        """Return whether the job is part of the current process."""
        return self.is_on_this_machine() and self.pid == os.getpid() and self.is_running()

    def find_conflict(self, other: Owner) -> str | None:
        """Return a path that only one of the two may use; None if both may run."""
        pairs = (
            *itertools.product(self.writes, [*other.writes, *other.reads]),
            *itertools.product(self.reads, other.writes),
        )
        for one, two in pairs:
            if _holds(one, two) or _holds(two, one):
                return max(one, two, key=len)
        return None

    def covers(self, other: Owner) -> bool:
        """Return whether this job writes everything that the other one writes."""
        return all(any(_holds(mine, one) for mine in self.writes) for one in other.writes)


def _relative(root: str, path: str) -> str:
    return posixpath.relpath(path, root) if path.rstrip("/") != root.rstrip("/") else ""


def _holds(folder: str, path: str) -> bool:
    return folder in ("", path) or path.startswith(f"{folder}/")
