"""What every stage does: skip if up to date, stage the outputs, publish them, clean up."""

from __future__ import annotations

import contextlib
import logging
import posixpath
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from types import TracebackType
from typing import Any

from recspark.cluster.environment import package_versions
from recspark.contract.schemas import Schema
from recspark.datasets import staging
from recspark.datasets.checksums import find_damage, sum_files
from recspark.datasets.identity import content_id, fingerprint, join_ids
from recspark.datasets.lock import RunLock, sweep
from recspark.datasets.manifest import Manifest, read_manifest
from recspark.datasets.resource_usage import Meter
from recspark.datasets.staging import MANIFEST
from recspark.errors import DataError, describe
from recspark.files import json_files
from recspark.files.storage import FileInfo
from recspark.files.sums import FileSum
from recspark.logs import Heartbeat
from recspark.redact import redact_values

logger = logging.getLogger(__name__)


Output = tuple[str, Schema | None, Mapping[str, Any] | None]
"""What is published: its path, its schema (None for models and pages), and its counts."""


@dataclass
class Step:
    """One run of a stage: skip if up to date, stage the outputs, publish them, clean up.

    Attributes:
        stage: Name of the stage, as in `jobs/<stage>.py`.
        settings: The settings of the stage, for the manifests.
        inputs: Name of each input data set to its manifest id.
        outputs: The paths that the stage publishes.
        force: Run even if the outputs are up to date.
        root: The run directory, which holds this job's lock; if omitted, the folder of the first
            output.
        reads: Data sets to check for damage before the run and to lock against replacement.
        scratch: Further paths to lock; they get no manifest.
        files: The raw files that the stage reads, which belong to no run.
        in_place: Whether the stage writes into the folders of its outputs, with `record`.
        without_effect: Names of settings that do not change the outputs. A change of theirs alone
            does not make the stage run again.
        are_apart: Whether each output has an id of its own, because later stages read one without
            the others. Otherwise all have the same id, and an input's id covers what was published
            beside it.
        attempt: Names this run of the stage.
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
    without_effect: Collection[str] = ()
    are_apart: bool = False
    _meter: Meter = field(default_factory=Meter, init=False, repr=False)
    _heartbeat: Heartbeat = field(init=False, repr=False)
    _published: int = field(default=0, init=False, repr=False)
    attempt: str = field(default_factory=lambda: uuid.uuid4().hex, init=False)
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
        runs = {manifest.run for manifest in found if manifest}
        if len(runs) != 1 or any(one is None or one.fingerprint != wanted for one in found):
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
        """Publish the only output of a stage; see `publish_all`."""
        return self.publish_all([(output, schema, counts)], sums)[0]

    def publish_all(
        self, outputs: Sequence[Output], sums: Mapping[str, FileSum] | None = None
    ) -> list[Manifest]:
        """Write the manifests, move the staged data sets into place, and return the manifests.

        Nothing is moved before all manifests are written, so an error until then changes nothing.
        Rows are counted from the footers of the Parquet files that were written, so the manifests
        describe what is on disk.

        Args:
            outputs: What belongs together.
            sums: Path to sum of staged files (`recspark.cluster.tasks.sums_of`), which are then not
                read again.

        Raises:
            DataError: The lock is lost, or something that recspark did not write is in the place of
                an output.
        """
        self._lock.check()
        manifests = [self._describe_staged(*output, sums or {}) for output in outputs]
        if not self.are_apart:
            together = join_ids([manifest.id for manifest in manifests])
            manifests = [replace(manifest, id=together) for manifest in manifests]
        for (output, _, _), manifest in zip(outputs, manifests, strict=True):
            staging.require_replaceable(output)
            _write(manifest, self.staging(output))
        self._lock.check()
        for (output, schema, _), manifest in zip(outputs, manifests, strict=True):
            staging.replace(output)
            self._published += 1
            rows = f" ({manifest.num_rows:,} rows)" if schema else ""
            logger.info("%s: wrote %s%s", self.stage, output, rows)
        return manifests

    def record(self, output: str, counts: Mapping[str, Any] | None = None) -> Manifest:
        """Write the manifest of an output whose files were written in place, and return it."""
        self._lock.check()
        manifest = self._describe(
            id=self.attempt, num_rows=0, columns={}, partition_rows={}, counts=dict(counts or {})
        )
        _write(manifest, output)
        self._published += 1
        return manifest

    def _fingerprint(self) -> str:
        chosen = {k: v for k, v in self.settings.items() if k not in self.without_effect}
        return fingerprint(chosen, self.inputs, self.files)

    def _describe_staged(
        self,
        output: str,
        schema: Schema | None,
        counts: Mapping[str, Any] | None,
        sums: Mapping[str, FileSum],
    ) -> Manifest:
        staged = self.staging(output)
        partition_rows, num_rows = staging.count_partitions(staged) if schema else ({}, 0)
        columns = dict(schema.columns) if schema else {}
        counts, files = dict(counts or {}), sum_files(staged, sums)
        return self._describe(
            id=content_id(columns, counts, files, attempt=self.attempt),
            num_rows=num_rows,
            columns=columns,
            partition_rows=partition_rows if schema and schema.partition_by else {},
            counts=counts,
            files=files,
        )

    def _describe(self, **content: Any) -> Manifest:
        return Manifest(
            stage=self.stage,
            run=self.attempt,
            fingerprint=self._fingerprint(),
            settings=dict(self.settings),
            inputs=dict(self.inputs),
            raw_files=[asdict(file) for file in self.files],
            versions=package_versions(),
            seconds=round(self._meter.seconds, 3),
            peak_memory_bytes=self._meter.peak_memory_bytes,
            memory_measure=self._meter.memory_measure,
            created_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            **content,
        )


def _write(manifest: Manifest, folder: str) -> None:
    json_files.write_json(posixpath.join(folder, MANIFEST), redact_values(asdict(manifest)))


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
