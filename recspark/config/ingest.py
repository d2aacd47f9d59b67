"""Settings of the ingest job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from recspark.checks import require


@dataclass(frozen=True, kw_only=True)
class IngestConfig:
    """Raw text to ratings, movies and rejects."""

    format: Literal["netflix", "movielens_100k"] = "movielens_100k"
    """Layout of the raw files: netflix (combined_data_*.txt or mv_*.txt) or movielens_100k."""
    ratings: str = ""
    """The raw ratings: a file, a folder, or a glob such as data/netflix/combined_data_*.txt."""
    movies: str = ""
    """The titles: movie_titles.csv/.txt (netflix), u.item or .item (movielens_100k)."""
    probe: str | None = None
    """Netflix's probe.txt, for the data set `probe` and prepare.split probe."""
    qualifying: str | None = None
    """Netflix's qualifying.txt, for the data set `qualifying`."""
    split_bytes: int = 64 * 1024 * 1024
    """Text that one task parses (bytes, 1 or more)."""
    max_reject_fraction: float = 0.01
    """Share of refused lines (0 to 1) above which the job fails."""

    def __post_init__(self) -> None:
        require(self.split_bytes >= 1, "ingest.split_bytes", self.split_bytes, "≥ 1 byte")
        require(
            0 <= self.max_reject_fraction <= 1,
            "ingest.max_reject_fraction",
            self.max_reject_fraction,
            "a share from 0 to 1",
        )
