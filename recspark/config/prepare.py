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
    duplicates: Literal["last", "first", "mean", "sum", "max", "refuse"] = "last"
    """What becomes of several ratings of one movie by one user: the last or the first by time is
    kept (at equal times, by position in the source), they are combined into their mean, sum or
    maximum, or the job fails (refuse). For events, sum counts them."""
    min_rating: float | None = None
    """Ratings below this are filtered out, before users and movies are counted; null keeps all."""
    split: Literal[
        "random", "user_share", "users", "held_out_users", "pairs", "probe", "time", "last"
    ] = "random"
    """What becomes test: a random share (by a hash of user, movie and seed), a share of each user's
    ratings (user_share), all ratings of a share of the users, who are then wholly out of train
    (users), some ratings of such users, whose others are known when lists are made (held_out_users,
    as Liang and others 2018), the pairs that a file or the ingested probe names, the newest share
    (time), or each user's newest ratings (last)."""
    test_fraction: float = 0.1
    """Share of the ratings, with split users and held_out_users of the users, that goes to test (at
    least 0, below 1); 0 trains on all, to make lists. Unused with split pairs, probe and last."""
    fold_in_fraction: float = 0.8
    """With split held_out_users: share of each test user's ratings (above 0, below 1), drawn by a
    hash, that models may fold in; it goes to fold_in, the rest to test."""
    pairs: str | None = None
    """File of held-out pairs: CSV and its like or Parquet with column names, text that begins with
    user and movie, or probe.txt."""
    pairs_user: str | None = None
    """Column of users in the file of pairs; null takes the usual names, such as user_id."""
    pairs_movie: str | None = None
    """Column of movies in the file of pairs; null takes the usual names, such as movie_id."""
    cut_date: str | None = None
    """With split time: ratings from this day on are test (YYYY-MM-DD); test_fraction is unused."""
    num_last: int = 1
    """With split last: how many of each user's newest ratings go to test, and as many before them
    to valid (count, 1 or more)."""
    valid_fraction: float = 0.05
    """Share of the remaining ratings that goes to valid (at least 0, below 1): the newest with
    split time, of each user's with user_share, all of a share of the remaining users with split
    users and held_out_users, a random draw otherwise; split last only asks if it is above 0."""
    max_unmatched_pairs: float = 0.01
    """Share of held-out pairs (0 to 1) that may match no rating; with more, the job fails. Pairs
    whose user or movie the settings filter out are not counted."""
    num_buckets: int | None = None
    """Buckets of users (count, 1 or more); null chooses by the number of ratings: 8 up to 16
    million, 64 for the Netflix set."""

    def __post_init__(self) -> None:
        for name in ("min_ratings_per_user", "min_ratings_per_movie", "num_last"):
            require(getattr(self, name) >= 1, f"prepare.{name}", getattr(self, name), "≥ 1")
        require(
            self.num_buckets is None or self.num_buckets >= 1,
            "prepare.num_buckets",
            self.num_buckets,
            "≥ 1, or null",
        )
        require_share("prepare.test_fraction", self.test_fraction)
        require_share("prepare.valid_fraction", self.valid_fraction)
        require(
            0 < self.fold_in_fraction < 1,
            "prepare.fold_in_fraction",
            self.fold_in_fraction,
            "a share above 0, below 1",
        )
        require(
            0 <= self.max_unmatched_pairs <= 1,
            "prepare.max_unmatched_pairs",
            self.max_unmatched_pairs,
            "a share from 0 to 1",
        )
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
