"""Settings of the prepare job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from recspark.config.checks import is_date, require, require_share


@dataclass(frozen=True, kw_only=True)
class PrepareConfig:
    """Ratings indexed, and split into train, valid and test."""

    min_ratings_per_user: int = 1
    """Users with fewer ratings than this are filtered out (count, 1 or more)."""
    min_ratings_per_movie: int = 1
    """Movies with fewer ratings than this are filtered out (count, 1 or more)."""
    filter: Literal["once", "k_core"] = "once"
    """once applies both minimums to the raw counts; k_core repeats them until all are met."""
    user_fraction: float = 1.0
    """Share of the users to keep, for quick trials (above 0, up to 1); drawn before the filter."""
    split: Literal["random", "pairs", "probe", "time", "last"] = "random"
    """What becomes test: a random share (by a hash of user, movie and seed), the pairs that a file
    or the ingested probe names, the newest share (time), or each user's newest ratings (last)."""
    test_fraction: float = 0.1
    """Share of the ratings that random and time put into test (at least 0, below 1)."""
    pairs: str | None = None
    """File of held-out pairs: user and movie in the first two columns (separated by tab, comma or
    ::), or probe.txt."""
    cut_date: str | None = None
    """With split time: ratings from this day on are test (YYYY-MM-DD); test_fraction is unused."""
    num_last: int = 1
    """With split last: how many of each user's newest ratings go to test, and as many before them
    to valid (count, 1 or more)."""
    valid_fraction: float = 0.05
    """Share of the remaining ratings that goes to valid (at least 0, below 1): the newest with
    split time, a random draw otherwise; split last only asks whether it is above 0."""
    num_buckets: int = 8
    """Buckets of users (count, 1 or more): 8 for small data, 64 or more for the Netflix set."""

    def __post_init__(self) -> None:
        for name in ("min_ratings_per_user", "min_ratings_per_movie", "num_buckets", "num_last"):
            require(getattr(self, name) >= 1, f"prepare.{name}", getattr(self, name), "≥ 1")
        require_share("prepare.test_fraction", self.test_fraction)
        require_share("prepare.valid_fraction", self.valid_fraction)
        require(
            0 < self.user_fraction <= 1,
            "prepare.user_fraction",
            self.user_fraction,
            "a share above 0, up to 1",
        )
        require(
            self.cut_date is None or self.split == "time",
            "prepare.cut_date",
            f"cut_date={self.cut_date} with split={self.split}",
            "prepare.cut_date only with prepare.split time",
        )
        require(
            self.cut_date is None or is_date(self.cut_date),
            "prepare.cut_date",
            self.cut_date,
            "a day as YYYY-MM-DD",
        )
        require(
            (self.pairs is not None) == (self.split == "pairs"),
            "prepare.pairs",
            f"pairs={self.pairs} with split={self.split}",
            "prepare.pairs given exactly when prepare.split is pairs",
        )
