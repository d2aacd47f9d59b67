"""Settings of the evaluate job."""

from __future__ import annotations

from dataclasses import dataclass

from recspark.config.checks import require


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """Metrics of predictions and top-N lists, with intervals."""

    resamples: int = 200
    """Bootstrap resamples of the users, which give the intervals (count, 2 or more)."""
    top_k: int = 10
    """Ranks of a top-N list that are measured (count, 1 or more); ranks that a shorter list lacks
    are misses."""
    relevant_rating: float = 4.0
    """Lowest rating that makes a test movie relevant in a top-N list (rating units)."""

    def __post_init__(self) -> None:
        require(self.resamples >= 2, "evaluate.resamples", self.resamples, "≥ 2")
        require(self.top_k >= 1, "evaluate.top_k", self.top_k, "≥ 1")
