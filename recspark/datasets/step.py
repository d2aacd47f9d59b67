"""What every stage does: skip if up to date, stage the outputs, publish them, clean up."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import posixpath
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from types import TracebackType
from typing import Any

from recspark import __version__
from recspark.cluster.environment import package_versions
from recspark.contract.schemas import Schema
from recspark.datasets import staging
from recspark.datasets.checksums import find_damage, sum_files
from recspark.datasets.lock import RunLock, sweep
from recspark.datasets.manifest import Manifest, read_manifest
from recspark.datasets.resource_usage import Meter
from recspark.datasets.staging import MANIFEST
from recspark.errors import DataError, describe
from recspark.files import storage
from recspark.files.storage import FileInfo
from recspark.files.sums import FileSum
from recspark.logs import Heartbeat
from recspark.redact import redact_values

logger = logging.getLogger(__name__)


def fingerprint(
    settings: Mapping[str, Any], inputs: Mapping[str, str], files: Sequence[FileInfo] = ()
) -> str:
    """Return a hash that changes when settings, inputs, files or recspark's version change."""
    read = [asdict(file) for file in files]
    text = json.dumps([__version__, settings, inputs, read], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass
class Step:
    """One run of a stage: skip if up to date, stage the outputs, publish them, clean up.

    Attributes:
        stage: Name of the stage, as in `jobs/<stage>.py`.
        settings: The settings that affect the outputs.
        inputs: Name of each input data set to its manifest id.
        outputs: The paths that the stage publishes.
        force: Run even if the outputs are up to date.
        root: The run directory, which holds this job's lock; if omitted, the folder of the first
            output.
        reads: Data sets to check for damage before the run and to lock against replacement.
        scratch: Further paths to lock; they get no manifest.
        files: The raw files that the stage reads, which belong to no run.
        in_place: Whether the stage writes into the folders of its outputs, with `record`.
        id: Names this run of the stage in every manifest it writes.
    """

    stage: str
    settings: Mapping[str, Any]
    inputs: Mapping[str, str]
    outputs: Sequence[str]
    force: bool = False
    root: str | None = None
    reads: Sequence[str] = ()
    scratch: Sequence[str] = ()
    files: Sequence[FileInfo] = ()
    in_place: bool = False
    _meter: Meter = field(default_factory=Meter, init=False, repr=False)
    _heartbeat: Heartbeat = field(init=False, repr=False)
    _published: int = field(default=0, init=False, repr=False)
    id: str = field(default_factory=lambda: uuid.uuid4().hex, init=False)
    _lock: RunLock = field(init=False, repr=False)

    def __post_init__(self) -> None:
        root = self.root or posixpath.dirname(self.outputs[0])
        self._heartbeat = Heartbeat(self.stage)
        self._lock = RunLock(root, self.stage, [*self.outputs, *self.scratch], self.reads)

    def is_done(self) -> bool:
        """Return whether one run with this fingerprint made all outputs, and none is damaged.

        What killed jobs left in the run directory is removed first.
        """
        sweep(self._lock.root)
        if self.force:
            return False
        wanted = self._fingerprint()
        found = [read_manifest(path) for path in self.outputs]
        # A run killed while publishing leaves some of its outputs beside some of an older run.
        ids = {manifest.id for manifest in found if manifest}
        if len(ids) != 1 or any(one is None or one.fingerprint != wanted for one in found):
            return False
        with Heartbeat(self.stage):  # reads all files in full
            for path, manifest in zip(self.outputs, found, strict=True):
                if manifest and (damage := find_damage(path, manifest.files)):
                    logger.warning("%s: found %s, running again", self.stage, damage)
                    return False
        logger.info("%s: up to date, skipped (%s)", self.stage, self.outputs[0])
        return True

    def __enter__(self) -> Step:
        staging.require_apart(self.outputs, self.files)
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._lock)
            for path in () if self.in_place else self.outputs:
                staging.require_replaceable(path)
            stack.enter_context(self._heartbeat)
            for path in self.reads:
                _require_intact(path)
            stack.pop_all()
        logger.info("%s: start → %s", self.stage, self.outputs[0])
        self._meter.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._meter.__exit__(kind, error, trace)
        self._heartbeat.__exit__(kind, error, trace)
        try:
            if self._lock.is_held():
                self._lock.clear()
        finally:
            self._lock.__exit__(kind, error, trace)
        if kind is None and self._published != len(self.outputs):
            raise DataError(
                describe(
                    self.stage,
                    found=f"{self._published} data sets published",
                    expected=f"{len(self.outputs)}",
                    remedy="This is a defect of recspark: please report it.",
                )
            )
        outcome = "done" if kind is None else "FAILED"
        logger.info("%s: %s in %.1f s", self.stage, outcome, self._meter.seconds)

    def staging(self, output: str) -> str:
        """Return the temporary path to write an output to, on the output's own file system."""
        return staging.staging_path(output)

    def publish(
        self,
        output: str,
        schema: Schema | None,
        counts: Mapping[str, Any] | None = None,
        sums: Mapping[str, FileSum] | None = None,
    ) -> Manifest:
        """Write the manifest, move the staged data set into place, and return the manifest.

        Rows are counted from the footers of the Parquet files that were written, so the manifest
        describes what is on disk. `schema` is None for models. `sums` are those of staged files
        (`recspark.cluster.tasks.sums_of`), which are then not read again.
        """
        self._lock.check()
        staged = self.staging(output)
        partition_rows, num_rows = staging.count_partitions(staged) if schema else ({}, 0)
        manifest = self._describe(
            num_rows=num_rows,
            columns=dict(schema.columns) if schema else {},
            partition_rows=partition_rows if schema and schema.partition_by else {},
            counts=counts,
            files=sum_files(staged, sums or {}),
        )
        _write(manifest, staged)
        staging.replace(output)
        self._published += 1
        rows = f" ({num_rows:,} rows)" if schema else ""
        logger.info("%s: wrote %s%s", self.stage, output, rows)
        return manifest

    def record(self, output: str, counts: Mapping[str, Any] | None = None) -> Manifest:
        """Write the manifest of an output whose files were written in place, and return it."""
        self._lock.check()
        manifest = self._describe(num_rows=0, columns={}, partition_rows={}, counts=counts)
        _write(manifest, output)
        self._published += 1
        return manifest

    def _fingerprint(self) -> str:
        return fingerprint(self.settings, self.inputs, self.files)

    def _describe(self, *, counts: Mapping[str, Any] | None, **rows: Any) -> Manifest:
        return Manifest(
            stage=self.stage,
            id=self.id,
            fingerprint=self._fingerprint(),
            counts=dict(counts or {}),
            settings=dict(self.settings),
            inputs=dict(self.inputs),
            raw_files=[asdict(file) for file in self.files],
            versions=package_versions(),
            seconds=round(self._meter.seconds, 3),
            peak_memory_bytes=self._meter.peak_memory_bytes,
            created_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            **rows,
        )


def _write(manifest: Manifest, folder: str) -> None:
    storage.write_json(posixpath.join(folder, MANIFEST), redact_values(asdict(manifest)))


def _require_intact(path: str) -> None:
    manifest = read_manifest(path)
    damage = find_damage(path, manifest.files) if manifest else None
    if manifest and damage:
        raise DataError(
            describe(
                path,
                found=damage,
                expected="the files as they were written",
                remedy=f"Run jobs/{manifest.stage}.py with the same --config again to rewrite the "
                "data set, and check the disk.",
            )
        )
