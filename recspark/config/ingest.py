"""Settings of the ingest job."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from recspark.config.attributes import MovieColumns, UserColumns
from recspark.config.checks import require
from recspark.config.spark_source import SparkSourceConfig
from recspark.config.table import TableConfig
from recspark.contract import columns as c


@dataclass(frozen=True, kw_only=True)
class IngestConfig:
    """Raw text read into ratings, movies and rejects."""

    format: Literal[
        "netflix",
        "movielens_100k",
        "movielens_1m",
        "movielens_10m",
        "movielens_csv",
        "table",
        "spark",
    ] = "movielens_100k"
    """Layout of the raw files: netflix (combined_data_*.txt or mv_*.txt), movielens_100k (u.data),
    movielens_1m and movielens_10m (ratings.dat), movielens_csv (ratings.csv of 20M, 25M, 32M and
    latest), table (the columns that ingest.table names), or spark (the source that ingest.spark
    names, with the columns of ingest.table)."""
    ratings: tuple[str, ...] | str = ""
    """The raw ratings: files, folders, globs such as data/netflix/combined_data_*.txt, or archives
    (.zip, .tar, .tar.gz); archive.zip!name picks files in it by name or glob. Several are a list in
    YAML, and separated by commas on the command line. Files may be compressed by gzip, bzip2, xz or
    Zstandard."""
    movies: tuple[str, ...] | str = ""
    """The titles, optional: CSV and its like, JSON lines or Parquet with column names; also
    movie_titles.csv/.txt (netflix), u.item, movies.dat and movies.csv (movielens). Paths as for
    ratings."""
    movie_columns: MovieColumns = field(default_factory=MovieColumns)
    """Columns of the titles."""
    movie_attributes: tuple[str, ...] = ()
    """Further columns of the titles to keep with the movies, e.g. [director, runtime]."""
    users: tuple[str, ...] | str = ""
    """Attributes of users, optional: files as for movies; also MovieLens' u.user and users.dat."""
    user_columns: UserColumns = field(default_factory=UserColumns)
    """Columns of the file of users."""
    user_attributes: tuple[str, ...] = ()
    """The columns of that file to keep with the users; an empty list keeps all."""
    table: TableConfig = field(default_factory=TableConfig)
    """Columns of the formats table and spark."""
    spark: SparkSourceConfig = field(default_factory=SparkSourceConfig)
    """The source of format spark."""
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
        taken = {c.MOVIE_ID, c.YEAR, c.TITLE, c.GENRES, c.USER_ID}
        for name in ("movie_attributes", "user_attributes"):
            names = getattr(self, name)
            require(
                len(set(names)) == len(names) and not taken & set(names),
                f"ingest.{name}",
                names,
                f"different names, none of {', '.join(sorted(taken))}",
            )
        require(
            not (self.spark.paths and self.spark.table),
            "ingest.spark",
            f"paths={self.spark.paths} and table={self.spark.table}",
            "either paths or a table",
        )
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
