"""Netflix Prize text: a header `1234:` names the movie, then `user,rating,YYYY-MM-DD` lines.

There are two parsers: a vectorised one for clean pieces, and a line-by-line one for pieces with
anything unusual. Tests check that they agree.
"""

from __future__ import annotations

import re
from datetime import date

import numpy as np
import numpy.typing as npt

from recspark.arrays.ratings import (
    FIRST_TIME,
    LAST_TIME,
    NO_RATINGS,
    NO_TIME,
    SECONDS_A_DAY,
    Ratings,
)
from recspark.ingest.swar import WORD, Pattern, parse_dates, parse_numbers
from recspark.tables import parsed as r
from recspark.tables.parsed import Parsed, Reject, is_column_names, parse_rating
from recspark.text.lines import as_text, parse_id, split_lines
from recspark.text.ranges import Range, next_line
from recspark.text.sources import BOM, open_raw

_HEADER = re.compile(rb"\d{1,10}:")
_DATE = re.compile(rb"\d{4}-\d{2}-\d{2}")
_EPOCH = date(1970, 1, 1).toordinal()
NUM_FIELDS = 3
WINDOW = 32  # bytes of a line that the vectorised parser reads
AFTER_USER = len(",r,YYYY-MM-DD")
MAX_DIGITS = 8  # of a user id; those in the data have at most 7
_MIDDLE = Pattern.of("???,0,00")


def parse(data: bytes, movie: int | None) -> Parsed:
    """Return the ratings and refused lines of a piece of text that begins and ends with a line.

    Args:
        data: Whole lines; the last may lack a line end.
        movie: The movie header in force above the first line: None if there is none yet,
            `parsed.LOST` if it was damaged.
    """
    return _parse_clean(data, movie) or parse_lines(data, movie)


LOOK_BACK_BYTES = 64 * 1024


def is_header(line: bytes) -> bool:
    """Return whether a line is a movie header, valid or damaged."""
    return line.rstrip(b" \t\r,").endswith(b":")


def header_movie(line: bytes) -> int:
    """Return the movie of a header line, 1 or more, or `parsed.LOST` if it names none."""
    return max(parse_id(line.rstrip(b" \t\r,")[:-1]) or r.LOST, r.LOST)


def _parse_clean(data: bytes, movie: int | None) -> Parsed | None:
    """Return what `parse_lines` would return, or None if any line is not clean.

    Each line is read as the WINDOW bytes that end it, so all dates are in the same columns of one
    array, and so are all ratings and the last digits of all users.
    """
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
    text = b"\n" * WINDOW + data
    if not text.endswith(b"\n"):
        text += b"\n"
    characters = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(characters[WINDOW:] == ord("\n")) + WINDOW
    lengths = np.diff(ends, prepend=WINDOW - 1) - 1
    is_header = characters[ends - 1] == ord(":")
    is_rating = ~(is_header | (lengths == 0))
    headers = np.flatnonzero(is_header)
    names = [text[ends[line] - lengths[line] : ends[line]] for line in headers.tolist()]
    starts = np.searchsorted(np.flatnonzero(is_rating), headers) if len(headers) else headers
    num_lines = len(ends)
    if not is_rating.all():
        ends, lengths = ends[is_rating], lengths[is_rating]
    movies = _movies(names, starts, len(ends), movie)
    if movies is None:
        return None
    rows = _parse_ratings(text, ends, lengths, movies)
    if rows is None:
        return None
    return Parsed(
        rows=rows,
        num_lines=num_lines,
        num_headers=len(names),
        num_blanks=num_lines - len(rows) - len(names),
        movie=header_movie(names[-1]) if names else movie,
    )


def _parse_ratings(
    text: bytes, ends: np.ndarray, lengths: np.ndarray, movies: np.ndarray
) -> Ratings | None:
    """Return the ratings of the lines with these ends and lengths; None if one is not clean."""
    if len(ends) == 0:
        return NO_RATINGS
    if lengths.min() <= AFTER_USER or lengths.max() > AFTER_USER + MAX_DIGITS:
        return None
    kind = np.dtype((np.void, WINDOW))
    windows: npt.NDArray[np.void] = np.ndarray((len(text) - WINDOW + 1,), kind, text, strides=(1,))
    lines = windows[ends - WINDOW]
    words = lines.view(WORD).reshape(-1, WINDOW // 8)
    # …uuuuu,r,YYYY-MM-DD: the last word is YY-MM-DD, the one before ends in u,r,YY.
    middle = _MIDDLE.digits(words[:, 2])
    if middle is None:
        return None
    characters = lines.view(np.uint8).reshape(-1, WINDOW)
    ratings = characters[:, 20] - np.uint8(ord("0"))
    centuries = (middle >> np.uint64(48)) & np.uint64(0xFF)
    times = parse_dates(centuries * np.uint64(10) + (middle >> np.uint64(56)), words[:, 3])
    user_words = (words[:, 1] >> np.uint64(24)) | (words[:, 2] << np.uint64(40))
    users = parse_numbers(user_words, (lengths - AFTER_USER).astype(np.uint64))
    if times is None or users is None or ratings.min() < 1 or ratings.max() > 5:
        return None
    return Ratings(users.view(np.int64), movies, ratings.astype(np.float32), times)


def _movies(
    names: list[bytes], starts: np.ndarray, num_rows: int, movie: int | None
) -> np.ndarray | None:
    """Return the movie of each row; None if a header is damaged or a row has no header.

    Args:
        names: The header lines.
        starts: Number of rows above each header.
        num_rows: Total number of ratings.
        movie: The header in force above the first row.
    """
    if any(not _HEADER.fullmatch(name) for name in names):
        return None
    ids = [parse_id(name[:-1]) for name in names]
    ends = [*starts.tolist(), num_rows]
    if None in ids or 0 in ids or (ends[0] > 0 and not movie):
        return None
    return np.repeat(np.array([movie or 0, *ids], dtype=np.int64), np.diff([0, *ends]))


def parse_lines(data: bytes, movie: int | None) -> Parsed:
    """Return the same as `parse`, reading line by line."""
    values: list[tuple[int, int, float, int]] = []
    parsed = Parsed(NO_RATINGS, num_lines=0, num_headers=0, num_blanks=0, movie=movie)
    for number, (offset, line) in enumerate(split_lines(data)):
        parsed.num_lines += 1
        reason: str | None = None
        if not line.strip():
            parsed.num_blanks += 1
        elif is_header(line):
            parsed.movie = header_movie(line)
            if parsed.movie == r.LOST:
                reason = r.BAD_HEADER
            else:
                parsed.num_headers += 1
        elif is_column_names(line.split(b","), NUM_FIELDS):
            parsed.num_headers += 1
        else:
            value = _parse_rating(line, parsed.movie)
            if isinstance(value, str):
                reason = value
            else:
                values.append(value)
                parsed.num_untimed += value[3] == NO_TIME
        if reason:
            parsed.rejects.append(Reject(number, offset, as_text(line), reason))
    parsed.rows = Ratings.of(values)
    return parsed


def _parse_rating(line: bytes, movie: int | None) -> tuple[int, int, float, int] | str:
    """Return (user, movie, rating, time), or the reason why the line is refused."""
    fields = line.rstrip(b" \t,").split(b",")  # some copies have commas at line ends
    if len(fields) != 3:
        return r.WRONG_FIELDS
    user, rating, day = parse_id(fields[0]), parse_rating(fields[1]), parse_day(fields[2])
    if user is None:
        return r.BAD_USER
    if rating is None:
        return r.BAD_RATING
    if day is None:
        return r.BAD_DATE
    if not movie:
        return r.NO_HEADER if movie is None else r.LOST_HEADER
    return user, movie, rating, to_time(day)


def to_time(day: int) -> int:
    """Return a day since 1970-01-01 in seconds, NO_TIME if these do not fit."""
    time = day * SECONDS_A_DAY
    return time if FIRST_TIME <= time <= LAST_TIME else NO_TIME


def parse_day(field: bytes) -> int | None:
    """Return the days since 1970-01-01 of a date YYYY-MM-DD, or None."""
    text = field.strip()
    if not _DATE.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text.decode()).toordinal() - _EPOCH
    except ValueError:
        return None


def movie_in_force(one: Range) -> int | None:
    """Return the movie of the last header above a range's first line; None if there is none.

    The search goes backward in steps, so it reads little more than the text back to that header.
    """
    if one.start == 0:
        return None
    with open_raw(one.source) as file:
        below = next_line(file, one.start)  # lines from here on have been searched
        step = LOOK_BACK_BYTES
        while below > 0:
            start = max(0, below - step)
            file.seek(start)
            text = file.read(below - start)
            # The step may begin inside a line; if no other line begins in it, take a longer step.
            whole = 0 if start == 0 else text.find(b"\n") + 1
            if start > 0 and whole in (0, len(text)):
                step *= 2
                continue
            for line in reversed(text[whole:].split(b"\n")) if b":" in text[whole:] else ():
                if is_header(line):
                    return header_movie(line.removeprefix(BOM))
            below = start + whole
    return None
