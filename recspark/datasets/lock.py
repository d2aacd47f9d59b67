"""Locks: a lock file in the run directory says which data sets a job writes and reads.

While a job runs, its lock file `.held-<id>.json` is in the run directory. A job refuses to start if
it would write what another job writes or reads, or read what another job writes; its message names
that job. To start, a job first writes its lock and only then looks for others, so of two that start
at one moment, at least one sees the other. Whoever sees another one withdraws its own lock, waits
for a random moment and tries again; if the same lock is still there, its job is at work. Nothing is
asked of the file system but that a file is listed once it is written.

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
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from types import TracebackType

from recspark.datasets import staging
from recspark.datasets.lock_owner import Owner
from recspark.errors import DataError, InUseError, describe
from recspark.files import json_files, storage

logger = logging.getLogger(__name__)

BEAT_SECONDS = 10.0
LEASE_SECONDS = 60.0
_PAUSE_SECONDS = 0.05
_NUM_READS = 4
_HELD = ".held-"
_SWEEP = "clearing up"
_NOT_WRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENOENT)


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
        met: set[str] = set()
        while not self._try_to_start(met):
            time.sleep(random.uniform(_PAUSE_SECONDS, 10 * _PAUSE_SECONDS))
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
        storage.remove(self._path)

    def clear(self) -> None:
        """Remove what is staged of the data sets to be written."""
        _clear(self.root, self._owner.writes)

    def is_held(self) -> bool:
        """Return whether the lock file is still there."""
        return storage.exists(self._path)

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

    @property
    def _path(self) -> str:
        return posixpath.join(self.root, f"{_HELD}{self._owner.id}.json")

    def _try_to_start(self, met: set[str]) -> bool:
        """Return whether this job has the lock; if not, note in `met` who had it.

        Raises:
            InUseError: One that was met before still has it.
        """
        self._owner = Owner.here(self.root, self.stage, self.writes, self.reads)
        _write(self.root, self._path, json.dumps(asdict(self._owner)).encode())
        try:
            conflict, abandoned = self._look()
            if conflict is None:
                self.clear()
                for path, other in abandoned:
                    if self._owner.covers(other):
                        _clear(self.root, other.writes)
                        storage.remove(path)
                return True
        except BaseException:
            storage.remove(self._path)
            raise
        storage.remove(self._path)
        path, other = conflict
        if other.id in met:
            raise InUseError(_describe(self.root, path, other))
        if other.stage != _SWEEP:  # which ends soon
            met.add(other.id)
        return False

    def _look(self) -> tuple[tuple[str, Owner] | None, list[tuple[str, Owner]]]:
        """Return a data set that another job uses, with that job, and the abandoned lock files."""
        now, abandoned = _modified(self._path), []
        for path, other in _read_locks(self.root, now):
            conflict = self._owner.find_conflict(other)
            if other.is_this_process() or (conflict is None and not other.is_on_this_machine()):
                continue
            try:
                is_alive = _is_alive(path, other, now)
            except FileNotFoundError:
                continue  # released meanwhile
            if not is_alive:
                abandoned.append((path, other))
            elif conflict is not None:
                return (conflict, other), []
        return None, abandoned

    def _touch(self) -> None:
        while not self._stop.wait(BEAT_SECONDS):
            try:
                _touch(self._path)
            except Exception as error:  # a brief failure of the store must not end the job
                logger.warning("%s: lock not renewed: %s", self.stage, error)


def sweep(root: str) -> None:
    """Remove what jobs killed on this machine left in a run directory.

    Data sets that another job is now at work on are left alone: that job has cleared them itself.
    """
    for _, other in _read_locks(root, None):
        if other.is_on_this_machine() and not other.is_running():
            logger.info("clearing up after %s, which was killed (pid %s)", other.stage, other.pid)
            writes = [posixpath.join(root, path) for path in other.writes]
            with contextlib.suppress(InUseError), RunLock(root, _SWEEP, writes):
                pass


def _write(root: str, path: str, content: bytes) -> None:
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

    A file that cannot be parsed is being written, and its job will look for others afterwards. One
    that stays so for LEASE_SECONDS was left by a killed job and is removed.
    """
    found = []
    for path in staging.list_names(root):
        if not posixpath.basename(path).startswith(_HELD):
            continue
        owner = _read_owner(path)
        if owner is not None:
            found.append((path, owner))
        elif now is not None:
            with contextlib.suppress(FileNotFoundError):
                if now - _modified(path) > LEASE_SECONDS:
                    storage.remove(path)
    return sorted(found, key=lambda one: (one[1].since, one[1].writes))


def _read_owner(path: str) -> Owner | None:
    """Return the owner of a lock file; None if it is gone or damaged.

    Some file systems show a file empty for a moment when its owner touches it.
    """
    for _ in range(_NUM_READS):
        try:
            return Owner.read(json_files.read_json(path))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError):
            time.sleep(_PAUSE_SECONDS)
    return None


def _is_alive(path: str, other: Owner, now: float) -> bool:
    """Return whether a lock's job is at work; FileNotFoundError if the lock was released."""
    if other.is_on_this_machine():
        return other.is_running()
    touched = _modified(path)
    # A time far in the future means that a clock was set; then only watching the file helps.
    if abs(now - touched) <= LEASE_SECONDS:
        return True
    logger.info("%s on %s has not renewed its lock, watching it", other.stage, other.host)
    deadline = time.monotonic() + 2 * BEAT_SECONDS
    while time.monotonic() < deadline:
        if _modified(path) != touched:
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
