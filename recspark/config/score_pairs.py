"""Settings of the score_pairs job."""

from __future__ import annotations

from dataclasses import dataclass

from recspark.contract.columns import MOVIE_ID, USER_ID


@dataclass(frozen=True, kw_only=True)
class ScorePairsConfig:
    """Predictions for pairs of raw ids that are in no split."""

    pairs: str | None = None
    """Parquet or CSV with a user and a movie id a row: a file, a folder or a glob; null takes the
    ingested qualifying and writes the contest's file as well."""
    user_column: str = USER_ID
    """Column of raw user ids. A CSV that begins with two whole numbers has no names: its first two
    columns are user and movie."""
    movie_column: str = MOVIE_ID
    """Column of raw movie ids."""
