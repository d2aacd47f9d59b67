"""Settings of the evaluate job."""

from __future__ import annotations

from dataclasses import dataclass

from recspark.config.checks import require


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """Predictions and top-N lists to figures with intervals."""

    resamples: int = 200
    """Bootstrap resamples of the users that intervals come from (count, 2 or more)."""
    top_k: int = 10
    """Ranks of a top-N list that count (count, 1 or more); a shorter list misses in the rest."""
    relevant_rating: float = 4.0
    """Lowest rating of a test movie that counts as relevant in a top-N list (rating units)."""

    def __post_init__(self) -> None:
        require(self.resamples >= 2, "evaluate.resamples", self.resamples, "≥ 2")
        require(self.top_k >= 1, "evaluate.top_k", self.top_k, "≥ 1")
