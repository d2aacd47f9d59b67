"""Settings of the gates that a run must pass before it is used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from recspark.config.checks import is_date, require


@dataclass(frozen=True, kw_only=True)
class GateConfig:
    """Limits that a run must meet before it is used, most of them against the last accepted run."""

    check: Literal["data", "model"] = "data"
    """What is judged: data (ratings, rejects, rating mean), or a model,
    which is promoted if it passes."""
    model: str | None = None
    """The model to judge; null means the best of the leaderboard."""
    date: str | None = None
    """The day the run is for (YYYY-MM-DD); a run never replaces an accepted run of a later
    day."""
    accepted: str | None = None
    """The pointer to the accepted run; null means accepted-<name>.json beside the run
    directory, with the run's name."""
    max_reject_fraction: float = 0.01
    """Largest share of refused lines (0 to 1)."""
    min_ratings: int = 1
    """Minimum number of ratings (count)."""
    max_fewer_ratings: float = 0.05
    """Largest fall in the number of ratings from the accepted run (share, 0 to 1)."""
    max_mean_drift: float = 0.05
    """Largest difference of the mean of train from the accepted run's (rating units)."""
    max_rmse_rise: float = 0.002
    """Largest rise of RMSE above the accepted run's (rating units)."""

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
