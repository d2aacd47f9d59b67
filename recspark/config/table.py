"""Settings of ingest.format table: the columns of CSV and its like, JSON lines or Parquet."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import Literal

from recspark.config.checks import require
from recspark.config.date_patterns import require_time_format, time_pattern
from recspark.contract import columns as c


@dataclass(frozen=True, kw_only=True)
class TableConfig:
    """Columns of a table by name or position, and how its values are written."""

    user: str | int = c.USER_ID
    """Column of user ids: its name (case, spaces and quotes around it do not matter; nested JSON
    names have dots), or its position, from 1."""
    movie: str | int = c.MOVIE_ID
    """Column of movie or other item ids."""
    rating: str | int | None = c.RATING
    """Column of ratings or counts (any numbers); null means that there is none: each line is then
    an event, with rating 1."""
    time: str | int | None = None
    """Column of times or dates; null means that there is none, and prepare.split time and last are
    refused."""
    time_format: str = "auto"
    """Format of the times: auto guesses it from the first lines; date (YYYY-MM-DD, a time of day
    may follow); seconds, milliseconds, microseconds or nanoseconds since 1970; or a pattern such as
    "%d.%m.%Y %H:%M". Offsets such as +02:00 count; other times are UTC. Parquet dates need none."""
    ids: Literal["auto", "whole", "text"] = "auto"
    """What ids are: whole (numbers of 64 bits, 12.0 included), text (1 to 256 characters), or auto:
    whole numbers where all ids are, otherwise text, for users and movies each."""
    missing: tuple[float | str, ...] = ()
    """Values of the rating that mean "not rated", e.g. [-1, 99, NA]; such lines are left out."""
    decimal: str = "."
    """Decimal point of the ratings: . or a comma."""
    thousands: str | None = None
    """What separates groups of three digits in the ratings, e.g. a comma; null if nothing does."""
    separator: str | None = None
    """Text between fields, 1 to 4 characters such as ; or :: or \\t; null guesses it."""
    quote: str | None = '"'
    """Character around fields that may hold separators and line ends; null if there is none."""
    escape: str | None = None
    """Character that makes the next one ordinary, such as the backslash of Spark's CSV; null
    guesses whether quotes in fields are doubled or escaped by a backslash."""
    header: Literal["auto", True, False] = "auto"
    """Whether the first line holds the names of the columns; auto guesses it. Without one, name
    columns by position."""
    encoding: str | None = None
    """Encoding of the text, e.g. cp1252; null takes UTF-8 or UTF-16, and cp1252 for what is
    neither."""

    def __post_init__(self) -> None:
        names = [one for one in (self.user, self.movie, self.rating, self.time) if one is not None]
        texts = [str(name) for name in names]
        require(
            len(set(texts)) == len(texts) and all(texts),
            "ingest.table",
            texts,
            "a different column for each",
        )
        require_time_format("ingest.table.time_format", self.time_format)
        require(
            self.separator is None
            or (1 <= len(self.separator) <= 4 and not set('"\r\n') & set(self.separator)),
            "ingest.table.separator",
            repr(self.separator),
            "1 to 4 characters, no quote and no line end",
        )
        for name, one in (("quote", self.quote), ("escape", self.escape)):
            require(
                one is None
                or (len(one) == 1 and one.isascii() and one.isprintable() and not one.isalnum()),
                f"ingest.table.{name}",
                repr(one),
                "one ASCII character, neither a letter nor a digit, or null",
            )
        require(
            self.quote is None or self.quote not in (self.separator, self.escape),
            "ingest.table.quote",
            repr(self.quote),
            "another character than separator and escape",
        )
        require(self.decimal in (".", ","), "ingest.table.decimal", repr(self.decimal), ". or ,")
        require(
            self.thousands is None or (len(self.thousands) == 1 and self.thousands != self.decimal),
            "ingest.table.thousands",
            repr(self.thousands),
            "one character, another one than ingest.table.decimal",
        )
        require(
            self.encoding is None or _is_encoding(self.encoding),
            "ingest.table.encoding",
            self.encoding,
            "the name of an encoding, such as utf-8, cp1252 or gb18030",
        )

    @property
    def columns(self) -> dict[str, str]:
        """The columns by role, in the order user, movie, rating, time, without those not set."""
        roles = {"user": self.user, "movie": self.movie, "rating": self.rating, "time": self.time}
        return {role: str(name) for role, name in roles.items() if name is not None}

    @property
    def time_pattern(self) -> str:
        """The time format with `date` and the like written out as a pattern."""
        return time_pattern(self.time_format)


def _is_encoding(name: str) -> bool:
    try:
        return codecs.lookup(name)._is_text_encoding
    except LookupError:
        return False
