"""Settings of the score_pairs job."""

from __future__ import annotations

from dataclasses import dataclass

from recspark.contract.columns import MOVIE_ID, USER_ID


@dataclass(frozen=True, kw_only=True)
class ScorePairsConfig:
    """Predictions for pairs of raw ids that are in no split."""

    pairs: str | None = None
    """Parquet, CSV and its like, or probe.txt, with a user id and a movie id per row: a file, a
    folder or a glob. null scores the ingested qualifying, and also writes the contest's file."""
    user_column: str = USER_ID
    """Column of raw user ids; the default takes other usual names too, such as userId. Text that
    begins with two ids has no column names: its first two columns are user and movie."""
    movie_column: str = MOVIE_ID
    """Column of raw movie ids."""
