"""Locks: a lock file in the run directory says which data sets a job writes and reads.

While a job runs, its lock file `.held-<id>.json` is in the run directory. A job refuses to start if
it would write what another job writes or reads, or read what another job writes; its message names
that job. To start, a job first writes `.claim-<id>.json` and only then looks for others, so of two
that start at the same moment, the one with the lower id goes on.

The lock file outlives a job that is killed. A job on the same machine looks for the owner's process
by process id and start time, so the lock ends with the process. A job on another machine sees only
the file, which its owner touches every BEAT_SECONDS. A lock file that was not touched for
LEASE_SECONDS, by the clock of the file system, is watched for two more beats and then counts as
abandoned.
"""

from __future__ import annotations

import contextlib
import errno
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
from recspark.files import json_files, storage

logger = logging.getLogger(__name__)

BEAT_SECONDS = 10.0
LEASE_SECONDS = 60.0
_PAUSE_SECONDS = 0.05
_SWEEP = "clearing up"
_NOT_WRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENOENT)
_WAITING, _HELD = ".claim-", ".held-"


@dataclass
class RunLock:
    """A context that locks data sets for this job. Locks of one process never conflict.

    Entering raises InUseError, and changes nothing, if another job is at work on one of the data
    sets. Otherwise it removes what killed jobs left of the data sets to be written.

    Attributes:
        root: The run directory.
        stage: The stage that takes the lock, for the messages of other jobs.
        writes: Paths below the root to write (the root itself: all of it).
        reads: Paths below the root that must not be replaced while the lock is held.
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
            _write_first(self.root, waiting, json.dumps(asdict(self._owner)).encode())
            abandoned = self._resolve_conflicts(waiting)
            storage.move(waiting, self._path(_HELD))
            self.clear()
            for path, other in abandoned:
                if self._owner.covers(other):
                    _clear(self.root, other.writes)
                    storage.remove(path)
        except BaseException:
            storage.remove(waiting)
            storage.remove(self._path(_HELD))
            raise
        self._beat = threading.Thread(target=self._touch, name="lock", daemon=True)
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
        """Remove what is staged of the data sets to be written."""
        _clear(self.root, self._owner.writes)

    def is_held(self) -> bool:
        """Return whether the lock file is still there."""
        return storage.exists(self._path(_HELD))

    def check(self) -> None:
        """Raise a DataError if the lock file is gone: another job may have taken over."""
        if not self.is_held():
            raise DataError(
                describe(
                    f"{self.stage} in {self.root}",
                    found="no lock of this job any more",
                    expected="the one that it took when it started",
                    remedy=f"The job was suspended for more than {LEASE_SECONDS:.0f} s and another "
                    "job took over, or someone removed the lock file. Run it again after the other "
                    "job.",
                )
            )

    def _path(self, prefix: str) -> str:
        return posixpath.join(self.root, f"{prefix}{self._owner.id}.json")

    def _resolve_conflicts(self, mine: str) -> list[tuple[str, Owner]]:
        """Wait until no other job is in conflict with this one; return the abandoned locks.

        Raises:
            InUseError: Another job keeps its lock.
        """
        now = _modified(mine)
        while True:
            abandoned, must_wait = [], False
            for path, other in _read_locks(self.root, now):
                conflict = self._owner.find_conflict(other)
                if other.id == self._owner.id or is_this_process(
                    other.machine, other.pid, other.started
                ):
                    continue
                if not _is_on_this_machine(other) and conflict is None:
                    continue
                if not _is_alive(path, other, now):
                    abandoned.append((path, other))
                elif conflict is None:
                    continue
                elif other.stage == _SWEEP and self.stage != _SWEEP:
                    must_wait = True  # it finishes soon or gives way
                elif _is_held(path) or other.id < self._owner.id or self.stage == _SWEEP:
                    raise InUseError(_describe(self.root, conflict, other))
                else:
                    must_wait = True  # it will see this lock and give way, unless it was first
            if not must_wait:
                return abandoned
            time.sleep(_PAUSE_SECONDS)

    def _touch(self) -> None:
        while not self._stop.wait(BEAT_SECONDS):
            try:
                _touch(self._path(_HELD))
            except Exception as error:  # a brief failure of the store must not end the job
                logger.warning("%s: lock not renewed: %s", self.stage, error)


def sweep(root: str) -> None:
    """Remove what jobs killed on this machine left in a run directory.

    Data sets that another job is now at work on are left alone: that job has cleared them itself.
    """
    for _, other in _read_locks(root, None):
        if _is_on_this_machine(other) and process_start(other.pid) != other.started:
            logger.info("clearing up after %s, which was killed (pid %s)", other.stage, other.pid)
            writes = [posixpath.join(root, path) for path in other.writes]
            with contextlib.suppress(InUseError), RunLock(root, _SWEEP, writes):
                pass


def _write_first(root: str, path: str, content: bytes) -> None:
    """Write the first file of a job, and explain a run directory that cannot be written to."""
    try:
        storage.write_bytes(path, content)
    except OSError as error:
        if error.errno not in _NOT_WRITABLE:
            raise
        raise DataError(
            describe(
                root,
                found=f"no way to write there ({error.strerror})",
                expected="a folder that this user may create and write to",
                remedy="Choose another --run_dir, or change the rights.",
            )
        ) from error


def _clear(root: str, writes: Sequence[str]) -> None:
    for path in filter(None, writes):
        staging.clear(posixpath.join(root, path))


def _read_locks(root: str, now: float | None) -> list[tuple[str, Owner]]:
    """Return the lock files of a run directory and their owners, a pipeline before its stage.

    A lock file that cannot be parsed is still being written, and its job will look for others
    afterwards. One that stays so for LEASE_SECONDS was left by a killed job and is removed.
    """
    found = []
    for path in staging.list_names(root):
        if not posixpath.basename(path).startswith((_WAITING, _HELD)):
            continue
        try:
            found.append((path, Owner.read(json_files.read_json(path))))
        except FileNotFoundError:
            return _read_locks(root, now)  # released, or renamed because it is now held
        except (ValueError, TypeError):
            if now is not None and now - _modified(path) > LEASE_SECONDS:
                storage.remove(path)
    return sorted(found, key=lambda one: (one[1].since, one[1].writes))


def _is_held(path: str) -> bool:
    return posixpath.basename(path).startswith(_HELD)


def _is_on_this_machine(other: Owner) -> bool:
    return other.machine == machine_id()


def _is_alive(path: str, other: Owner, now: float) -> bool:
    if _is_on_this_machine(other):
        return other.started is not None and process_start(other.pid) == other.started
    touched = _modified(path)
    # A time in the future means that a clock was set; then only watching the file helps.
    if 0 <= now - touched <= LEASE_SECONDS:
        return True
    logger.info("%s on %s has not renewed its lock, watching it", other.stage, other.host)
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
    """Set a file's time of change to now, without creating a missing file."""
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
        remedy="Wait until it has finished, stop it, or use another --run_dir. If its host is "
        f"gone, its lock expires by itself {LEASE_SECONDS:.0f} s after it was last renewed.",
    )
