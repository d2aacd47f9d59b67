"""Settings of the ingest job."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from recspark.config.checks import require
from recspark.config.table import TableConfig


@dataclass(frozen=True, kw_only=True)
class IngestConfig:
    """Raw text read into ratings, movies and rejects."""

    format: Literal[
        "netflix", "movielens_100k", "movielens_1m", "movielens_10m", "movielens_csv", "table"
    ] = "movielens_100k"
    """Layout of the raw files: netflix (combined_data_*.txt or mv_*.txt), movielens_100k (u.data),
    movielens_1m and movielens_10m (ratings.dat), movielens_csv (ratings.csv of 20M, 25M, 32M and
    latest), or table (CSV, TSV or Parquet with the columns that ingest.table names)."""
    ratings: str = ""
    """The raw ratings: a file, a folder, a glob such as data/netflix/combined_data_*.txt, or an
    archive (.zip, .tar, .tar.gz, .tgz); archive.zip!name picks files in it by name or glob."""
    movies: str = ""
    """The titles: movie_titles.csv/.txt (netflix), u.item or .item, movies.dat or movies.csv
    (movielens), also as archive.zip!movies.csv; optional for a table."""
    table: TableConfig = field(default_factory=TableConfig)
    """Columns of format table."""
    probe: str | None = None
    """Netflix's probe.txt, for the data set `probe` and prepare.split probe."""
    qualifying: str | None = None
    """Netflix's qualifying.txt, for the data set `qualifying`."""
    split_bytes: int = 32 * 1024 * 1024
    """Text that one task parses (bytes, 1 or more)."""
    max_unpacked_bytes: int = 16 * 1024**3
    """Largest total that may be unpacked from archives (bytes, 1 or more), a guard against archives
    made to fill the disk. The Netflix set unpacks to 2.1 GB."""
    max_reject_fraction: float = 0.01
    """Share of refused lines (0 to 1) above which the job fails."""

    def __post_init__(self) -> None:
        require(self.split_bytes >= 1, "ingest.split_bytes", self.split_bytes, "≥ 1 byte")
        require(
            self.max_unpacked_bytes >= 1,
            "ingest.max_unpacked_bytes",
            self.max_unpacked_bytes,
            "≥ 1 byte",
        )
        require(
            0 <= self.max_reject_fraction <= 1,
            "ingest.max_reject_fraction",
            self.max_reject_fraction,
            "a share from 0 to 1",
        )
