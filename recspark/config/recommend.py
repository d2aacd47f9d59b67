"""Settings of the recommend job."""

from __future__ import annotations

from dataclasses import dataclass

from recspark.config.checks import require, require_model_names


@dataclass(frozen=True, kw_only=True)
class RecommendConfig:
    """Top-N lists: the movies that a model rates highest for a user, without those seen."""

    models: tuple[str, ...] = ()
    """Models to make lists with, each one of `models`, blend or list_blend; if empty, the
    pipeline makes no lists."""
    top_n: int = 10
    """Length of a list (count, 1 or more)."""
    users: str | None = None
    """File of raw user ids to make lists for, one per line; null means all users."""
    histories: str | None = None
    """Ratings of users unknown to the run, or newer ones of known users, to make further lists from
    without fitting anew (new_recommendations): CSV and its like, JSON lines or Parquet with user,
    movie, rating and, if known, time; a file, folder or glob. null makes none."""
    min_ratings: int = 1
    """Movies with fewer ratings in train than this are not recommended (count, 1 or more)."""
    caution: float = 0.0
    """Lists rank by prediction − caution × its standard deviation, so that what a model hardly
    knows comes later (0 or more; 1 is cautious). Above 0 it takes models that state it."""

    def __post_init__(self) -> None:
        require_model_names("recommend.models", self.models)
        for name in ("top_n", "min_ratings"):
            require(getattr(self, name) >= 1, f"recommend.{name}", getattr(self, name), "≥ 1")
        is_caution = 0 <= self.caution < float("inf")
        require(is_caution, "recommend.caution", self.caution, "a number of 0 or more")
