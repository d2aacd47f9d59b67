"""The result of parsing a piece of text, the same for every format."""

from __future__ import annotations

from dataclasses import dataclass, field

from recspark.arrays.ratings import Ratings
from recspark.text.lines import parse_whole

MAX_ID_LENGTH = 256

# Why a line is refused. All parsers use these phrases, so that reasons can be counted.
WRONG_FIELDS = "wrong number of fields"
BAD_USER = "user id is not a whole number of 64 bits"
BAD_MOVIE = "movie id is not a whole number of 64 bits"
EMPTY_USER = "user id is empty"
EMPTY_MOVIE = "movie id is empty"
LONG_USER = f"user id is longer than {MAX_ID_LENGTH} characters"
LONG_MOVIE = f"movie id is longer than {MAX_ID_LENGTH} characters"
CONTROL_USER = "user id holds a control character"
CONTROL_MOVIE = "movie id holds a control character"
GARBLED_USER = "user id is not valid text in the file's encoding"
GARBLED_MOVIE = "movie id is not valid text in the file's encoding"
BAD_RATING = "rating is not one of 1, 2, 3, 4, 5"
BAD_HALF_RATING = "rating is not one of 0.5, 1, 1.5, …, 5"
BAD_NUMBER = "rating is not a number"
BAD_DATE = "not a date"
BAD_TIME = "not a time in seconds since 1970"
BAD_QUOTES = "quoted field that is not closed, or that goes on after its closing quote"
BAD_JSON = "not a JSON object on one line"
BAD_HEADER = "movie header without a movie id"
NO_HEADER = "rating before any movie header"
LOST_HEADER = "rating below a damaged movie header"
# Not refused: the file is to be read again, with these ids as text.
TEXT_USER = "user id is text"
TEXT_MOVIE = "movie id is text"
TEXT_BOTH = "user id and movie id are text"


@dataclass(frozen=True)
class Reject:
    """One refused line: its number (from 0) and byte offset within the text parsed."""

    line: int
    offset: int
    text: str
    reason: str


@dataclass
class Parsed:
    """One piece of text, parsed.

    lines = rows + rejects + headers + blanks + unrated + continued, as long as `text_user` and
    `text_movie` are None.
    """

    rows: Ratings
    num_lines: int
    num_headers: int
    num_blanks: int
    movie: int | None
    """The movie header in force at the end: None if there was none, LOST if it was damaged."""
    rejects: list[Reject] = field(default_factory=list)
    num_unrated: int = 0
    """Lines whose rating is a value that means "not rated"."""
    num_untimed: int = 0
    """Rows without a time, although the layout has times: it is missing, or out of range."""
    num_continued: int = 0
    """Lines inside a quoted field that began on a line above."""
    text_user: Reject | None = None
    """The first line whose user id is not whole, where ids are only supposed to be whole: the file
    is to be read again with `Format.as_text`."""
    text_movie: Reject | None = None
    """The same for movie ids."""
    has_open_quote: bool = False
    """Whether a line leaves a quote open: the file is to be read with `Format.by_record`."""

    def refuse(self, reject: Reject) -> None:
        """Add a line that is no row; the reason may also be TEXT_USER, TEXT_MOVIE or TEXT_BOTH."""
        if reject.reason in (TEXT_USER, TEXT_BOTH):
            self.text_user = self.text_user or reject
        if reject.reason in (TEXT_MOVIE, TEXT_BOTH):
            self.text_movie = self.text_movie or reject
        if reject.reason not in (TEXT_USER, TEXT_MOVIE, TEXT_BOTH):
            self.rejects.append(reject)


LOST = 0


def parse_rating(field_: bytes) -> float | None:
    """Return a rating from 1 to 5, or None."""
    value = parse_whole(field_)
    return float(value) if value is not None and 1 <= value <= 5 else None


def is_column_names(fields: list[bytes], num_columns: int) -> bool:
    """Return whether a line is a row of column names that somebody added to the file.

    A field must contain "rating", and no field may be blank or contain a digit.
    """
    named = all(name.strip() and not any(48 <= byte <= 57 for byte in name) for name in fields)
    says_rating = any(b"rating" in name.lower() for name in fields)
    return len(fields) == num_columns and named and says_rating
