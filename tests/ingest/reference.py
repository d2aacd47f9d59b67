"""A slow, obvious reader of Netflix text, to check the parsers against."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime

from recspark.arrays.ratings import NO_TIME, Ratings
from recspark.tables.parsed import Parsed

Rating = tuple[int, int, float, int]
EPOCH = date(1970, 1, 1)
# The dates whose seconds since 1970 fit into 32 bits.
FIRST, LAST = date(1901, 12, 15), date(2038, 1, 18)


@dataclass
class Reading:
    """The content of a whole file; lines count from 1."""

    ratings: list[Rating] = field(default_factory=list)
    rejects: list[tuple[int, int, str]] = field(default_factory=list)
    """(line, byte offset, text)."""
    headers: int = 0
    blanks: int = 0
    lines: int = 0


def read(data: bytes) -> Reading:
    """Read a Netflix file as one would by hand, from text."""
    found = Reading()
    movie: int | None = None
    offset = 0
    raws = data.split(b"\n")
    if raws[-1] == b"":
        raws.pop()
    for raw in raws:
        start, offset = offset, offset + len(raw) + 1
        if start == 0 and raw.startswith(b"\xef\xbb\xbf"):
            start, raw = 3, raw[3:]
            if not raw and len(data) == 3:
                break
        found.lines += 1
        text = raw.decode("utf-8", "backslashreplace")
        text = text[:-1] if text.endswith("\r") else text
        bare = text.rstrip(" \t,")
        if not text.strip(" \t\r\n\v\f"):
            found.blanks += 1
            continue
        if text.rstrip(" \t\r,").endswith(":"):
            movie = number(text.rstrip(" \t\r,")[:-1])
            movie = movie if movie and movie > 0 else None
            if movie is None:
                found.rejects.append((found.lines, start, text))
            else:
                found.headers += 1
            continue
        names = text.split(",")
        if len(names) == 3 and all(n.strip() and not has_digit(n) for n in names):
            if "rating" in text.lower():
                found.headers += 1
            else:
                found.rejects.append((found.lines, start, text))
            continue
        row = netflix_row(bare.split(","), movie)
        if row is None:
            found.rejects.append((found.lines, start, text))
        else:
            found.ratings.append(row)
    return found


def has_digit(text: str) -> bool:
    return any(ch in "0123456789" for ch in text)


def number(text: str) -> int | None:
    """An id: ASCII digits, perhaps after a minus, of 64 bits."""
    text = text.strip(" \t\r\n\v\f")
    digits = text.removeprefix("-")
    if not digits or any(ch not in "0123456789" for ch in digits):
        return None
    value = int(digits.lstrip("0")[:25] or 0)
    value = -value if text.startswith("-") else value
    return value if -(2**63) <= value < 2**63 else None


def seconds_of(day: date) -> int:
    """The time of a date: unknown where its seconds do not fit."""
    return (day - EPOCH).days * 86_400 if FIRST <= day <= LAST else NO_TIME


def netflix_row(fields: list[str], movie: int | None) -> Rating | None:
    if len(fields) != 3 or movie is None:
        return None
    user, rating, text = number(fields[0]), number(fields[1]), fields[2].strip(" \t\r\n\v\f")
    shape = [len(part) for part in text.split("-")]
    if user is None or rating not in (1, 2, 3, 4, 5) or shape != [4, 2, 2] or not text.isascii():
        return None
    try:
        day = datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError:
        return None
    return (user, movie, float(rating), seconds_of(day))


def as_list(rows: Ratings) -> list[Rating]:
    """Convert the rows of the parser under test to tuples."""
    columns = (rows.users, rows.movies, rows.ratings, rows.times)
    return [
        (int(user), int(movie), float(rating), int(day))
        for user, movie, rating, day in zip(*columns, strict=True)
    ]


def reading_of(parsed: Parsed) -> Reading:
    """Convert the result of a parser for a file without a byte order mark to a Reading."""
    return Reading(
        ratings=as_list(parsed.rows),
        rejects=[(x.line + 1, x.offset, x.text) for x in parsed.rejects],
        headers=parsed.num_headers,
        blanks=parsed.num_blanks,
        lines=parsed.num_lines,
    )
