"""Settings of ingest.format table: the columns of a CSV, TSV or Parquet file."""

from __future__ import annotations

import re
from dataclasses import dataclass

from recspark.config.checks import require
from recspark.contract import columns as c


@dataclass(frozen=True, kw_only=True)
class TableConfig:
    """Column names of a table, as its first line or its Parquet schema spells them."""

    user: str = c.USER_ID
    """Column of user ids (whole numbers from 1 to 2147483647)."""
    movie: str = c.MOVIE_ID
    """Column of movie or other item ids (whole numbers from 1 to 2147483647)."""
    rating: str = c.RATING
    """Column of ratings (any numbers)."""
    time: str | None = None
    """Column of times or dates; null means that there is none: rated_on is then always 1970-01-01,
    and prepare.split time and last are refused."""
    time_format: str = "date"
    """Format of the times: date (YYYY-MM-DD, a time of day may follow), seconds or milliseconds
    since 1970, or a pattern such as %d.%m.%Y. Times are UTC. Parquet dates need none."""
    separator: str | None = None
    """Character between fields; null means a tab in files named .tsv, otherwise a comma."""

    def __post_init__(self) -> None:
        names = [self.user, self.movie, self.rating, *([self.time] if self.time else [])]
        require(len(set(names)) == len(names), "ingest.table", names, "a different column for each")
        words = ("date", "seconds", "milliseconds")
        directives = sorted(re.findall(r"%.", self.time_format))
        require(
            self.time_format in words or directives == ["%Y", "%d", "%m"],
            "ingest.table.time_format",
            self.time_format,
            f"one of {', '.join(words)}, or a pattern with %Y, %m and %d once each",
        )
        require(
            self.separator is None
            or (
                (len(self.separator) == 1 and self.separator.isascii())
                and self.separator not in '"\r\n'
            ),
            "ingest.table.separator",
            repr(self.separator),
            "one ASCII character, no quote and no line end",
        )
