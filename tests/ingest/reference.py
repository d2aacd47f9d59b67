"""The slow, obvious reading of raw text that the parsers are held against."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timezone

from recspark.ingest.rows import Parsed, Rows

Rating = tuple[int, int, float, int]
MAX_ID = 2_147_483_647
EPOCH = date(1970, 1, 1)
LAST = date(2059, 9, 18)


@dataclass
class Reading:
    """What a whole file holds, lines counted from 1."""

    ratings: list[Rating] = field(default_factory=list)
    rejects: list[tuple[int, int, str]] = field(default_factory=list)
    """(line, byte offset, text)."""
    headers: int = 0
    blanks: int = 0
    lines: int = 0


def read(data: bytes, separator: str) -> Reading:
    """Read a file as one would by hand, over text and not over bytes."""
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
        if separator == "," and text.rstrip(" \t\r,").endswith(":"):
            movie = number(text.rstrip(" \t\r,")[:-1])
            if movie is None:
                found.rejects.append((found.lines, start, text))
            else:
                found.headers += 1
            continue
        names = text.split(separator)
        columns = 3 if separator == "," else 4
        if len(names) == columns and all(n.strip() and not has_digit(n) for n in names):
            if "rating" in text.lower():
                found.headers += 1
            else:
                found.rejects.append((found.lines, start, text))
            continue
        fields = bare.split(separator)
        row = netflix_row(fields, movie) if separator == "," else movielens_row(fields)
        if row is None:
            found.rejects.append((found.lines, start, text))
        else:
            found.ratings.append(row)
    return found


def has_digit(text: str) -> bool:
    return any(ch in "0123456789" for ch in text)


def number(text: str) -> int | None:
    """An id: ASCII digits, 1 to 2^31 - 1."""
    text = text.strip(" \t\r\n\v\f").lstrip("0")
    if not text or len(text) > 10 or any(ch not in "0123456789" for ch in text):
        return None
    return int(text) if int(text) <= MAX_ID else None


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
    return (user, movie, float(rating), (day - EPOCH).days) if EPOCH <= day <= LAST else None


def movielens_row(fields: list[str]) -> Rating | None:
    if len(fields) != 4:
        return None
    user, movie, rating = number(fields[0]), number(fields[1]), number(fields[2])
    seconds = fields[3].strip(" \t\r\n\v\f")
    if None in (user, movie) or rating not in (1, 2, 3, 4, 5):
        return None
    if not seconds or len(seconds) > 15 or any(ch not in "0123456789" for ch in seconds):
        return None
    if int(seconds) >= 2**33:
        return None
    day = datetime.fromtimestamp(int(seconds), timezone.utc).date()
    return (user, movie, float(rating), (day - EPOCH).days) if day <= LAST else None


def as_list(rows: Rows) -> list[Rating]:
    """Rows of the parser under test, as tuples."""
    columns = (rows.users, rows.movies, rows.ratings, rows.days)
    return [
        (int(user), int(movie), float(rating), int(day))
        for user, movie, rating, day in zip(*columns, strict=True)
    ]


def reading_of(parsed: Parsed) -> Reading:
    """What a parser made of a whole file without a byte order mark, in the reference's terms."""
    return Reading(
        ratings=as_list(parsed.rows),
        rejects=[(x.line + 1, x.offset, x.text) for x in parsed.rejects],
        headers=parsed.num_headers,
        blanks=parsed.num_blanks,
        lines=parsed.num_lines,
    )
