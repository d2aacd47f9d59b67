"""A slow, obvious reader of raw text, to check the parsers against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from decimal import Decimal, InvalidOperation

import numpy as np

from recspark.arrays.ratings import NO_TIME, Ratings
from recspark.ingest.parsed import Parsed

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


def read(data: bytes, separator: str, *, halves: bool = False) -> Reading:
    """Read a Netflix (`,` with headers) or MovieLens file as one would by hand, from text.

    `halves` reads MovieLens with half stars, where a comma may separate the four fields.
    """
    is_netflix = separator == "," and not halves
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
        if is_netflix and text.rstrip(" \t\r,").endswith(":"):
            movie = number(text.rstrip(" \t\r,")[:-1])
            movie = movie if movie and movie > 0 else None
            if movie is None:
                found.rejects.append((found.lines, start, text))
            else:
                found.headers += 1
            continue
        names = text.split(separator)
        columns = 3 if is_netflix else 4
        if len(names) == columns and all(n.strip() and not has_digit(n) for n in names):
            if "rating" in text.lower():
                found.headers += 1
            else:
                found.rejects.append((found.lines, start, text))
            continue
        fields = bare.split(separator)
        row = netflix_row(fields, movie) if is_netflix else movielens_row(fields, halves)
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


def stars(text: str, step: str) -> float | None:
    """A rating up to 5: a number that as a 64-bit float is a multiple of the step."""
    number = decimal(text)
    value = None if number is None else Decimal(float(number))
    if value is None or not 0 < value <= 5 or value % Decimal(step):
        return None
    return float(value)


def decimal(text: str) -> Decimal | None:
    text = text.strip(" \t\r\n\v\f")
    if not text or any(ch not in "0123456789.-eE+" for ch in text) or text[0] == "+":
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def movielens_row(fields: list[str], halves: bool) -> Rating | None:
    if len(fields) != 4:
        return None
    user, movie = number(fields[0]), number(fields[1])
    rating = stars(fields[2], "0.5" if halves else "1")
    seconds = fields[3].strip(" \t\r\n\v\f")
    if user is None or movie is None or rating is None:
        return None
    if not seconds or len(seconds) > 15 or any(ch not in "0123456789" for ch in seconds):
        return None
    if int(seconds) >= 2**33:
        return None
    day = datetime.fromtimestamp(int(seconds), timezone.utc).date()
    return (user, movie, rating, (day - EPOCH).days) if day <= LAST else None


ParseDay = Callable[[str], date | None]


def read_table(data: bytes, header: str, separator: str, parse_day: ParseDay) -> Reading:
    """Read a table with the columns user, text, rating, movie, time; fields may be quoted."""
    found, offset = Reading(), 0
    for raw in data.removesuffix(b"\n").split(b"\n") if data else []:
        start, offset = offset, offset + len(raw) + 1
        found.lines += 1
        text = raw.decode("utf-8", "backslashreplace").removesuffix("\r")
        fields = quoted_fields(text, separator)
        if not text.strip(" \t\r\n\v\f"):
            found.blanks += 1
        elif text == header:
            found.headers += 1
        elif fields is None or len(fields) != 5 or (row := table_row(fields, parse_day)) is None:
            found.rejects.append((found.lines, start, text))
        else:
            found.ratings.append(row)
    return found


def table_row(fields: list[str], parse_day: ParseDay) -> Rating | None:
    user, _, rating, movie, time = fields
    ids, value = (number(user), number(movie)), decimal(rating)
    try:
        day = parse_day(time.strip(" \t\r\n\v\f"))
    except ValueError:
        return None
    if None in ids or value is None or abs(value) > Decimal(2) ** 127 or day is None:
        return None
    if not EPOCH <= day <= LAST:
        return None
    # Ratings are stored in 32 bits.
    return (number(user) or 0, number(movie) or 0, float(np.float32(value)), (day - EPOCH).days)


def quoted_fields(text: str, separator: str) -> list[str] | None:
    """Split by hand, a character at a time; None where a quote is out of place."""
    fields, place, quoted = [""], "start", False
    for ch in text:
        if quoted:
            quoted = ch != '"'
            if quoted:
                fields[-1] += ch
            else:
                place = "after"
        elif ch == separator:
            fields.append("")
            place = "start"
        elif ch == '"' and place in ("start", "after"):
            fields[-1] += '"' if place == "after" else ""
            quoted = True
        elif place == "after" or (ch == "\r" and '"' in text):
            return None
        else:
            fields[-1] += ch
            place = "inside"
    return None if quoted else fields


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
