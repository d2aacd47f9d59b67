"""Settings of the score_pairs job."""

from __future__ import annotations

from dataclasses import dataclass

from recspark.config.checks import require
from recspark.config.date_patterns import require_time_format, time_pattern
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
    time_column: str | None = None
    """Column that says when each pair is rated, for models that use times; an empty or null time is
    no particular moment. null reads no times. Text that begins with two ids has it third, and
    below a line such as 1234: it ends the line. qualifying has its own dates."""
    time_format: str = "auto"
    """Format of the times, as in ingest.table.time_format."""
    histories: str | None = None
    """Ratings of users unknown to the run, or newer ones of known users, from which models answer
    for these users without being fitted anew; files as for recommend.histories."""

    def __post_init__(self) -> None:
        names = [self.user_column, self.movie_column, self.time_column]
        require(
            self.time_column is None or (self.time_column != "" and len(set(names)) == len(names)),
            "score_pairs.time_column",
            repr(self.time_column),
            "another column than those of users and movies, or null",
        )
        require(
            self.histories is None or self.pairs is not None,
            "score_pairs.histories",
            repr(self.histories),
            "null without score_pairs.pairs",
        )
        require_time_format("score_pairs.time_format", self.time_format)

    @property
    def time_pattern(self) -> str:
        """The time format with `date` and the like written out as a pattern."""
        return time_pattern(self.time_format)
