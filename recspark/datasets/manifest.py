"""`_MANIFEST.json`: what a data set is, and what it was made from."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from typing import Any

from recspark import __version__
from recspark.contract.catalog import DataSet
from recspark.datasets.staging import MANIFEST
from recspark.errors import DataError, describe
from recspark.files import json_files, storage
from recspark.files.sums import FileSum


@dataclass(frozen=True)
class Manifest:
    """The record beside a data set. It is written last, so its presence means that all is there."""

    stage: str
    """The stage that made the data set."""
    id: str
    """Hash of the content; later stages record it as their input. The same content has the same id,
    whenever it was made. Data sets that are only of use together have one id for all."""
    fingerprint: str
    """Hash of settings and inputs; if it is equal, another run would change nothing."""
    num_rows: int
    """Total number of rows (0 for models)."""
    columns: dict[str, str]
    """Column name to Spark SQL type (empty for models)."""
    partition_rows: dict[str, int]
    """Value of the partition column, the bucket, to number of rows."""
    counts: dict[str, Any]
    """What the stage counted: lines, rejects, users, movies and so on."""
    settings: dict[str, Any]
    """The resolved settings of the stage."""
    inputs: dict[str, str]
    """Name of an input data set to its manifest id."""
    versions: dict[str, str]
    """Versions of packages, the interpreter and recspark itself."""
    seconds: float
    """Seconds from the stage's start to this data set's publication."""
    peak_memory_bytes: int
    """Peak memory until then of driver, JVM and workers on the driver's machine, see
    `memory_measure`."""
    created_at: str
    """UTC, ISO 8601."""
    memory_measure: str = "resident"
    """What `peak_memory_bytes` adds up: `proportional` set sizes, in which shared pages count once,
    or `resident` sizes where these are unknown."""
    files: dict[str, FileSum] = field(default_factory=dict)
    """Path of every file below the data set to its size and checksum."""
    run: str = ""
    """The run of the stage that published it, the same for all data sets of that run."""
    raw_files: list[dict[str, Any]] = field(default_factory=list)
    """The raw files it was made from: path, size (bytes) and modified (text) at that time."""

    @property
    def bucket_rows(self) -> dict[int, int]:
        """Bucket number to rows, for data sets partitioned by bucket."""
        return {int(bucket): rows for bucket, rows in self.partition_rows.items()}


def read_manifest(path: str) -> Manifest | None:
    """Return the manifest of the data set at `path`; None if there is no complete data set."""
    file = posixpath.join(path, MANIFEST)
    if not storage.exists(file):
        return None
    try:
        return Manifest(**json_files.read_json(file))
    except (TypeError, ValueError) as error:
        raise DataError(
            describe(
                file,
                found=f"an unreadable manifest ({error})",
                expected=f"one written by recspark {__version__}",
                remedy=f"Delete {path} and run its stage again.",
            )
        ) from error


def require_manifest(path: str, kind: DataSet, options: str = "") -> Manifest:
    """Return the manifest of an input; if there is none, a DataError names the job to run.

    Args:
        path: The data set.
        kind: Its entry in the catalog.
        options: Options that the job needs besides the config, for the message.
    """
    manifest = read_manifest(path)
    if manifest is None:
        raise DataError(
            describe(
                path,
                found="no finished data set",
                expected=f"one with a {MANIFEST}",
                remedy=f"Run {_name_jobs(kind)} with the same --config{options} first.",
            )
        )
    return manifest


def _name_jobs(kind: DataSet) -> str:
    return " or ".join(f"jobs/{job}.py" for job in kind.jobs)
