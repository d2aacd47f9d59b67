"""What a manifest says of a data set."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from recspark.intact import FileSum


@dataclass(frozen=True)
class Manifest:
    """The record beside a data set; it is the last thing written, so its presence means whole."""

    stage: str
    """The stage that made the data set."""
    id: str
    """A new one for every run of a stage, the same for all it publishes in that run; later stages
    record it as their input, and data sets with one id belong together."""
    fingerprint: str
    """Hash of settings and inputs: equal means that running again would change nothing."""
    num_rows: int
    """Rows in all (0 for models)."""
    columns: dict[str, str]
    """Column name to Spark SQL type (empty for models)."""
    partition_rows: dict[str, int]
    """Value of the partition column to rows: buckets, or years for `ratings`."""
    counts: dict[str, Any]
    """What the stage counted: lines, rejects, users, movies and so on."""
    settings: dict[str, Any]
    """The resolved config that mattered."""
    inputs: dict[str, str]
    """Input name to its manifest id, or to `size@time` for raw files."""
    versions: dict[str, str]
    """Packages, interpreter and recspark itself."""
    seconds: float
    """Seconds from the stage's start to this data set's publication."""
    peak_memory_bytes: int
    """Most resident memory of driver, JVM and workers on the driver's machine up to then."""
    created_at: str
    """UTC, ISO 8601."""
    files: dict[str, FileSum] = field(default_factory=dict)
    """Path below the data set to size and checksum, of every file."""

    @property
    def bucket_rows(self) -> dict[int, int]:
        """Bucket number to rows, for data sets partitioned by bucket."""
        return {int(bucket): rows for bucket, rows in self.partition_rows.items()}
