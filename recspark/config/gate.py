"""Settings of the gates that a run must pass before it is used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from recspark.config.checks import is_date, require, require_model_names


@dataclass(frozen=True, kw_only=True)
class GateConfig:
    """Limits that a run must meet before it is used, most of them against the last accepted run."""

    check: Literal["data", "lists", "model"] = "data"
    """What is judged: data (ratings, rejects, rating mean), users' lists, or a model,
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
    lists: tuple[str, ...] = ()
    """Models whose lists are judged, each one of `models`, blend or list_blend; if empty, those of
    the run that have lists."""
    min_served: float = 0.9
    """Smallest share of the users asked for who get a list (0 to 1)."""
    max_vanished: float = 0.0
    """Largest share of the rows of lists whose movie is not in the titles file (0 to 1)."""
    max_churn: float = 0.3
    """Largest share of a user's list that changed since the accepted run, on average over the users
    who have a list in both (0 to 1)."""
    max_ndcg_fall: float = 0.005
    """Largest fall of the NDCG of lists below the accepted run's, beyond the interval of the
    difference (0 to 1)."""
    worse_than_popularity: Literal["fail", "warn"] = "fail"
    """What happens where the NDCG of lists is below that of popularity, beyond the interval of the
    difference: the run is refused, or the log names them."""

    def __post_init__(self) -> None:
        require_model_names("gate.lists", self.lists)
        shares = ("max_reject_fraction", "max_fewer_ratings", "min_served", "max_vanished")
        for name in (*shares, "max_churn", "max_ndcg_fall"):
            value = getattr(self, name)
            require(0 <= value <= 1, f"gate.{name}", value, "a share from 0 to 1")
        for name in ("max_mean_drift", "max_rmse_rise"):
            value = getattr(self, name)
            require(value >= 0, f"gate.{name}", value, "0 or more")
        require(self.min_ratings >= 0, "gate.min_ratings", self.min_ratings, "≥ 0")
        if self.date is not None:
            require(is_date(self.date), "gate.date", self.date, "a day, YYYY-MM-DD")
