"""Settings of ingest.format spark: any source that Spark reads."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class SparkSourceConfig:
    """What spark.read is told. The columns are those of ingest.table; a.b is field b of column a.

    Credentials in options are hidden in logs, manifests and reports.
    """

    format: str = "parquet"
    """Spark's name of the format: json, orc, parquet, csv, avro, jdbc, delta, iceberg and others,
    whose jars spark.properties may name. Unused for a table."""
    paths: tuple[str, ...] | str = ""
    """Files or folders; for jdbc leave it empty, and set the options url and dbtable, or query."""
    table: str | None = None
    """A table or view of Spark's catalog, instead of paths: db.ratings."""
    options: dict[str, str] = field(default_factory=dict)
    """Options of the format, e.g. {multiLine: "true"} or {url: "jdbc:…", dbtable: ratings}."""
