"""Settings of the report job."""

from __future__ import annotations

from dataclasses import dataclass

from recspark.config.checks import require


@dataclass(frozen=True, kw_only=True)
class ReportConfig:
    """The page about the run."""

    min_ratings: int = 20
    """Movies with fewer ratings than this are neither on the map nor among the neighbours (count, 1
    or more); the embedding of a movie that few rated says little."""

    def __post_init__(self) -> None:
        require(self.min_ratings >= 1, "report.min_ratings", self.min_ratings, "≥ 1")
