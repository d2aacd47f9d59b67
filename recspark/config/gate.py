"""Settings of the gates between a run and its use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from recspark.config.checks import is_date, require


@dataclass(frozen=True, kw_only=True)
class GateConfig:
    """What a run must hold against the last accepted one before it is used."""

    check: Literal["data", "model"] = "data"
    """What is judged: data (ratings, rejects, rating mean), or a model, promoted if it passes."""
    model: str | None = None
    """The model to judge; null means the first of the leaderboard."""
    date: str | None = None
    """The day the run is for (YYYY-MM-DD); a run never replaces an accepted one of a later day."""
    accepted: str | None = None
    """The pointer to the accepted run; null means accepted.json beside the run directory."""
    max_reject_fraction: float = 0.01
    """Most refused lines (share of all, 0 to 1)."""
    min_ratings: int = 1
    """Fewest ratings (count)."""
    max_fewer_ratings: float = 0.05
    """Most by which ratings may fall short of the accepted run's (share, 0 to 1)."""
    max_mean_drift: float = 0.05
    """Most by which the mean of train may differ from the accepted run's (rating units)."""
    max_rmse_rise: float = 0.002
    """Most by which RMSE may lie above the accepted run's (rating units)."""

    def __post_init__(self) -> None:
        for name in ("max_reject_fraction", "max_fewer_ratings"):
            value = getattr(self, name)
            require(0 <= value <= 1, f"gate.{name}", value, "a share from 0 to 1")
        for name in ("max_mean_drift", "max_rmse_rise"):
            value = getattr(self, name)
            require(value >= 0, f"gate.{name}", value, "0 or more")
        require(self.min_ratings >= 0, "gate.min_ratings", self.min_ratings, "≥ 0")
        if self.date is not None:
            require(is_date(self.date), "gate.date", self.date, "a day, YYYY-MM-DD")
