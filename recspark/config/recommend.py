"""Settings of the recommend job."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from recspark.config.checks import require, require_model_names

RESTRICTIONS = (
    *("users", "include_seen", "allow_movies", "deny_movies", "min_year", "max_year"),
    *("allow_values", "deny_values", "max_per_genre", "rare_share"),
)
"""Settings that decide which movies may be in a list, and who gets one."""


@dataclass(frozen=True, kw_only=True)
class RecommendConfig:
    """Top-N lists: the movies that a model ranks highest for a user, without those seen."""

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
    knows comes later (0 or more; 1 is cautious). Above 0 it takes models that state it, and lists
    for users of the run alone."""
    include_seen: bool = False
    """Whether movies that the user rated in train or valid, or of his history, may be listed."""
    allow_movies: str | None = None
    """File of raw movie ids, one per line: only these are listed; null means all."""
    deny_movies: str | None = None
    """File of raw movie ids, one per line, that are not listed."""
    min_year: int | None = None
    """Only movies of this year or later are listed; those without a year are not."""
    max_year: int | None = None
    """Only movies of this year or earlier are listed; those without a year are not."""
    allow_values: dict[str, tuple[str | float, ...]] = field(default_factory=dict)
    """Column of movies (genres, or an attribute) to values: only movies that have one of the values
    in each of the columns are listed, e.g. {genres: [Comedy, Drama]}."""
    deny_values: dict[str, tuple[str | float, ...]] = field(default_factory=dict)
    """Column of movies to values: movies that have one of them are not listed."""
    max_per_genre: int | None = None
    """Most movies of any one genre in a list (count, 1 or more); null means no limit. Movies
    without a genre are not limited."""
    rare_share: float = 0.0
    """Share of the places of a list that are kept for rare movies, which are those rated least that
    have a fifth of the ratings of train together (0 to 1). A place for which there is none stays
    empty."""
    reasons: int = 0
    """Movies of the user's history to name beside each listed movie, those that add most to its
    score (count). ease, item_knn and ials have them, and a list_blend with one of them."""
    titles: bool = False
    """Whether lists have a column of titles."""
    format: Literal["parquet", "csv", "jsonl"] = "parquet"
    """Lists are Parquet; csv or jsonl (JSON lines) writes them once more as one text file, in
    exported_lists."""

    @property
    def file_settings(self) -> dict[str, str]:
        """The files that are read, by the setting that names them."""
        named = {
            "recommend.users": self.users,
            "recommend.allow_movies": self.allow_movies,
            "recommend.deny_movies": self.deny_movies,
        }
        return {setting: path for setting, path in named.items() if path}

    def __post_init__(self) -> None:
        require_model_names("recommend.models", self.models)
        for name in ("top_n", "min_ratings", "max_per_genre"):
            value = getattr(self, name)
            require(value is None or value >= 1, f"recommend.{name}", value, "≥ 1")
        is_caution = 0 <= self.caution < float("inf")
        require(is_caution, "recommend.caution", self.caution, "a number of 0 or more")
        require(0 <= self.rare_share <= 1, "recommend.rare_share", self.rare_share, "a share")
        require(self.reasons >= 0, "recommend.reasons", self.reasons, "≥ 0")
        for name in ("allow_values", "deny_values"):
            for column, values in getattr(self, name).items():
                require(len(values) > 0, f"recommend.{name}.{column}", "no values", "one or more")
        years = self.min_year, self.max_year
        require(
            None in years or years[0] <= years[1],  # type: ignore[operator]
            "recommend.min_year",
            self.min_year,
            f"at most recommend.max_year, {self.max_year}",
        )
