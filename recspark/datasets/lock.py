"""Claims: a job says in the run directory what it writes and reads, so that no two get in each
other's way.

While a job works, `.held-<id>.json` lies in the run directory. A job that would write what another
one writes or reads, or read what another one writes, refuses to start and names that one. Two that
start at one moment both lay down a `.claim-<id>.json` before they look for others, and the lower id
goes on.

A file outlives a job that is killed. On the same machine its process is looked for, by number and
start, so the claim ends with the process. From elsewhere only the file can be seen: its owner
touches it every BEAT_SECONDS, and one that was not touched for LEASE_SECONDS, by the clock of the
file system, is watched for two beats more before it counts as left behind.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import posixpath
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from types import TracebackType

from recspark.datasets import staging
from recspark.datasets.lock_owner import Owner
from recspark.datasets.process_identity import is_this_process, machine_id, process_start
from recspark.errors import DataError, InUseError, describe
from recspark.files import storage

logger = logging.getLogger(__name__)

BEAT_SECONDS = 10.0
LEASE_SECONDS = 60.0
_PAUSE_SECONDS = 0.05
_SWEEP = "clearing up"
_WAITING, _HELD = ".claim-", ".held-"


@dataclass
class RunLock:
    """A context in which data sets are this job's; jobs of one process follow one another.

    Entering raises InUseError where another job is at work on one of them; then nothing was
    touched. What killed jobs left of the data sets written here is cleared away.

    Attributes:
        root: The run directory.
        stage: Who claims, for the message that others get.
        writes: Paths below the root that are written (the root itself: all).
        reads: Paths below the root that must not be replaced meanwhile.
    """

    root: str
    stage: str
    writes: Sequence[str]
    reads: Sequence[str] = ()
    _owner: Owner = field(init=False, repr=False)
    _stop: threading.Event = field(default_factory=threading.Event, init=False, repr=False)
    _beat: threading.Thread = field(init=False, repr=False)

    def __enter__(self) -> RunLock:
        self._owner = Owner.here(self.root, self.stage, self.writes, self.reads)
        waiting = self._path(_WAITING)
        try:
            storage.write_bytes(waiting, json.dumps(asdict(self._owner)).encode())
            left = self._contend(waiting)
            storage.move(waiting, self._path(_HELD))
            self.clear()
            for path, other in left:
                if self._owner.covers(other):
                    _clear(self.root, other.writes)
                    storage.remove(path)
        except BaseException:
            storage.remove(waiting)
            storage.remove(self._path(_HELD))
            raise
        self._beat = threading.Thread(target=self._touch, name="claim", daemon=True)
        self._beat.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._beat.join()
        storage.remove(self._path(_HELD))

    def clear(self) -> None:
        """Remove what is staged of all that is written here."""
        _clear(self.root, self._owner.writes)

    def is_held(self) -> bool:
        """Return whether the claim is still there."""
        return storage.exists(self._path(_HELD))

    def check(self) -> None:
        """Raise a DataError unless the claim is still there: another job may have taken over."""
        if not self.is_held():
            raise DataError(
                describe(
                    f"{self.stage} in {self.root}",
                    found="no claim of this job any more",
                    expected="the one that it made at its start",
                    remedy=f"It stood still for more than {LEASE_SECONDS:.0f} s and another job "
                    "took over, or someone removed the file. Run it again after the other.",
                )
            )

    def _path(self, prefix: str) -> str:
        return posixpath.join(self.root, f"{prefix}{self._owner.id}.json")

    def _contend(self, mine: str) -> list[tuple[str, Owner]]:
        """Return what killed jobs left, once no other job stands against this one."""
        now = _modified(mine)
        while True:
            left, must_wait = [], False
            for path, other in _read_claims(self.root, now):
                conflict = self._owner.find_conflict(other)
                if other.id == self._owner.id or is_this_process(
                    other.machine, other.pid, other.started
                ):
                    continue
                if not _is_here(other) and conflict is None:
                    continue
                if not _is_alive(path, other, now):
                    left.append((path, other))
                elif conflict is None:
                    continue
                elif other.stage == _SWEEP and self.stage != _SWEEP:
                    must_wait = True  # it takes moments, or gives way
                elif _is_held(path) or other.id < self._owner.id or self.stage == _SWEEP:
                    raise InUseError(_describe(self.root, conflict, other))
                else:
                    must_wait = True  # it will see this claim and give way, unless it was first
            if not must_wait:
                return left
            time.sleep(_PAUSE_SECONDS)

    def _touch(self) -> None:
        while not self._stop.wait(BEAT_SECONDS):
            try:
                _touch(self._path(_HELD))
            except Exception as error:  # a store that is away for a moment ends no job
                logger.warning("%s: claim not renewed: %s", self.stage, error)


def sweep(root: str) -> None:
    """Clear away what jobs killed on this machine left in a run directory.

    Not what another job is at work on by now: that one has done it.
    """
    for _, other in _read_claims(root, None):
        if _is_here(other) and process_start(other.pid) != other.started:
            logger.info("clearing up after %s, which was killed (pid %s)", other.stage, other.pid)
            writes = [posixpath.join(root, path) for path in other.writes]
            with contextlib.suppress(InUseError), RunLock(root, _SWEEP, writes):
                pass


def _clear(root: str, writes: Sequence[str]) -> None:
    for path in filter(None, writes):
        staging.clear(posixpath.join(root, path))


def _read_claims(root: str, now: float | None) -> list[tuple[str, Owner]]:
    """Return the claims of a run directory and their files, a pipeline before the stage it is at.

    A file that cannot be read is one that is being written, whose job will look for others after
    that; or else its job was killed over it, and it goes.
    """
    found = []
    for path in staging.list_names(root):
        if not posixpath.basename(path).startswith((_WAITING, _HELD)):
            continue
        try:
            found.append((path, Owner.read(storage.read_json(path))))
        except FileNotFoundError:
            return _read_claims(root, now)  # withdrawn, or held by now under its other name
        except (ValueError, TypeError):
            if now is not None and now - _modified(path) > LEASE_SECONDS:
                storage.remove(path)
    return sorted(found, key=lambda one: (one[1].since, one[1].writes))


def _is_held(path: str) -> bool:
    return posixpath.basename(path).startswith(_HELD)


def _is_here(other: Owner) -> bool:
    return other.machine == machine_id()


def _is_alive(path: str, other: Owner, now: float) -> bool:
    if _is_here(other):
        return other.started is not None and process_start(other.pid) == other.started
    touched = _modified(path)
    # A file from the future tells of a clock that was set: then only watching helps.
    if 0 <= now - touched <= LEASE_SECONDS:
        return True
    logger.info("%s on %s has not been heard of, watching its claim", other.stage, other.host)
    deadline = time.monotonic() + 2 * BEAT_SECONDS
    while time.monotonic() < deadline:
        if not storage.exists(path) or _modified(path) != touched:
            return True
        time.sleep(_PAUSE_SECONDS)
    return False


def _modified(path: str) -> float:
    """Return when a file was last written, in seconds by the clock of its file system."""
    fs, stripped = storage.filesystem(path)
    fs.invalidate_cache()
    return float(fs.modified(stripped).timestamp())


def _touch(path: str) -> None:
    """Make a file's time of change now; one that is not there stays away."""
    fs, stripped = storage.filesystem(path)
    if storage.is_local(fs):
        os.utime(stripped)
    else:
        fs.pipe_file(stripped, fs.cat_file(stripped))


def _describe(root: str, conflict: str, other: Owner) -> str:
    return describe(
        root,
        found=f"{other.stage} at work on {conflict or 'all of it'} since {other.since} "
        f"(pid {other.pid} on {other.host})",
        expected="no other job on the same data sets",
        remedy="Wait until it is through, stop it, or take another --run_dir. After a host that is "
        f"gone its claim ends by itself, {LEASE_SECONDS:.0f} s after its last sign of life.",
    )
