"""A slow, obvious reader of separated fields, to check the parser against."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

import numpy as np

from recspark.arrays.ids import to_list
from recspark.arrays.ratings import NO_TIME
from recspark.tables.parsed import Parsed

BLANKS = b" \t\r\n\v\f"
NOTHING = {"", "NULL", "null", "\\N", "NaN", "nan", "<NA>", "None", "none"}
NO_TIMES = NOTHING | {"NaT", "NA", "N/A", "0000-00-00", "0000-00-00 00:00:00"}
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")

Row = tuple[int | str, int | str, float, int]


@dataclass
class Reading:
    rows: list[Row] = field(default_factory=list)
    rejects: list[tuple[int, int, str]] = field(default_factory=list)
    """(line from 0, byte offset, text)."""
    headers: int = 0
    blanks: int = 0
    unrated: int = 0
    untimed: int = 0
    text_users: list[int] = field(default_factory=list)
    """Lines that are neither, because their user id is text and was to be whole."""
    text_movies: list[int] = field(default_factory=list)
    continued: int = 0
    lines: int = 0


@dataclass(frozen=True)
class Obvious:
    """The layout; roles are positions of fields."""

    separator: bytes
    num_columns: int
    user: int
    movie: int
    rating: int | None
    time: int | None
    parse_time: Callable[[str], int | None] = lambda text: None
    quote: bytes | None = None
    escape: bytes | None = None
    ids: str = "whole"
    lowest: float = -float(np.finfo(np.float32).max)
    highest: float = float(np.finfo(np.float32).max)
    step: float | None = None
    missing: tuple[float | str, ...] = ()
    decimal: str = "."
    thousands: str | None = None
    headers: tuple[bytes, ...] | None = ()
    padding: str = ""
    is_by_record: bool = False

    def read(self, data: bytes) -> Reading:
        found = Reading()
        raws = data.split(b"\n")
        if raws[-1] == b"":
            raws.pop()
        offset = 0
        number = 0
        while number < len(raws):
            start = offset
            line = raws[number].removesuffix(b"\r")
            offset += len(raws[number]) + 1
            fields = self.split(line)
            end = number
            if self.is_by_record and fields is None:
                joined = raws[number]
                for last in range(number + 1, len(raws)):
                    joined += b"\n" + raws[last]
                    fields = self.split(joined.removesuffix(b"\r"))
                    if fields is not None:
                        end = last
                        offset += sum(len(raw) + 1 for raw in raws[number + 1 : last + 1])
                        break
            self._add(found, number, start, line, fields)
            found.continued += end - number
            number = end + 1
        found.lines = len(raws)
        return found

    def _add(
        self, found: Reading, number: int, start: int, line: bytes, fields: list[bytes] | None
    ) -> None:
        text = line.decode("utf-8", "backslashreplace")
        if not line.strip(BLANKS):
            found.blanks += 1
            return
        if self.is_header(line):
            found.headers += 1
            return
        if self.padding and re.search(r"[0-9][ ,]+$", text):
            fields = self.split(line.rstrip(self.padding.encode()))
        row = None if fields is None else self.row(fields)
        if row is None:
            found.rejects.append((number, start, text))
        elif row == "unrated":
            found.unrated += 1
        elif row in ("user", "movie", "both"):
            found.text_users += [number] if row != "movie" else []
            found.text_movies += [number] if row != "user" else []
        else:
            found.rows.append(row)  # type: ignore[arg-type]
            found.untimed += self.time is not None and row[3] == NO_TIME

    def is_header(self, line: bytes) -> bool:
        if self.headers is not None:
            return line in self.headers
        names = line.split(self.separator)
        return (
            len(names) == self.num_columns
            and all(name.strip(BLANKS) and not re.search(rb"[0-9]", name) for name in names)
            and any(b"rating" in name.lower() for name in names)
        )

    def split(self, line: bytes) -> list[bytes] | None:
        """The fields; None where a quote is out of place or left open."""
        fields, place, position = [b""], "start", 0
        while position < len(line):
            byte = line[position : position + 1]
            if self.escape and byte == self.escape and position + 1 < len(line):
                fields[-1] += line[position + 1 : position + 2]
                place = place if place == "quoted" else "plain"
                position += 2
            elif place == "quoted":
                if byte != self.quote:
                    fields[-1] += byte
                elif line[position + 1 : position + 2] == self.quote:
                    fields[-1] += byte
                    position += 1
                else:
                    place = "closed"
                position += 1
            elif line.startswith(self.separator, position):
                fields.append(b"")
                place = "start"
                position += len(self.separator)
            elif place == "start" and self.quote and byte == self.quote:
                place = "quoted"
                position += 1
            elif place == "closed":
                return None
            else:
                fields[-1] += byte
                place = "plain"
                position += 1
        return None if place == "quoted" else fields

    def row(self, fields: list[bytes]) -> Row | str | None:
        if len(fields) < self.num_columns or any(
            one.strip(BLANKS) for one in fields[self.num_columns :]
        ):
            return None
        user, movie = self.identity(fields[self.user]), self.identity(fields[self.movie])
        rating: float | str | None = 1.0
        if self.rating is not None:
            rating = self.number(fields[self.rating])
        time: int | None = NO_TIME
        if self.time is not None:
            text = fields[self.time].decode("utf-8", "replace").strip()
            time = NO_TIME if text in NO_TIMES else self.parse_time(text)
        if user is None or movie is None or rating is None or time is None:
            return None
        if rating == "unrated":
            return "unrated"
        if "text?" in (user, movie):
            return "both" if user == movie else "user" if user == "text?" else "movie"
        if not -(2**31) + 86_400 <= time <= 2**31 - 86_400:
            time = NO_TIME
        return user, movie, float(np.float32(rating)), time

    def identity(self, field_: bytes) -> int | str | None:
        """An id; None if it is none, `text?` if it is one only as text."""
        try:
            text = field_.decode().strip()
        except UnicodeDecodeError:
            return None
        if text in NOTHING:
            return None
        if self.ids == "text":
            fits = len(text) <= 256 and not re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029]", text)
            return text if fits else None
        if re.fullmatch(r"-?[0-9]+(\.0*)?", text):
            digits = text.partition(".")[0].removeprefix("-").lstrip("0") or "0"
            value = int(digits[:25]) * (-1 if text[0] == "-" else 1)
            if -(2**63) <= value < 2**63:
                return value
        return "text?" if self.ids == "auto" else None

    def number(self, field_: bytes) -> float | str | None:
        text = field_.decode("utf-8", "replace").strip()
        if text in self.missing:
            return "unrated"
        if self.thousands:
            mark = re.escape(self.thousands)
            if re.fullmatch(rf"[+-]?[0-9]{{1,3}}({mark}[0-9]{{3}})+([^0-9].*)?", text):
                text = text.replace(self.thousands, "")
        if self.decimal == ",":
            text = text.replace(".", "?").replace(",", ".")
        if not NUMBER.fullmatch(text):
            return None
        value = float(text)
        if value in self.missing:
            return "unrated"
        fits = self.lowest <= value <= self.highest
        return value if fits and not (self.step and value % self.step) else None


def epoch(unit: int) -> Callable[[str], int | None]:
    """A reader of numbers since 1970 in a unit (1 for seconds, 1000 for milliseconds)."""

    def parse(text: str) -> int | None:
        if re.fullmatch(r"-?[0-9]{1,18}", text):
            return int(text) // unit
        if not NUMBER.fullmatch(text):
            return None
        value = float(text) / unit
        return math.floor(value) if math.isfinite(value) else 2**40

    return parse


def iso(text: str) -> int | None:
    """A reader of YYYY-MM-DD, which a time of day with a fraction and an offset may follow."""
    match = re.fullmatch(
        r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"
        r"(?:(?:[Tt]|,?\s+)([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:[.,][0-9]{1,9})?)?"
        r"(?:\s*([AaPp])\.?[Mm]\.?)?(?:\s*(Z|z|UTC|GMT|[+-][0-9]{2}:?[0-9]{2}|[+-][0-9]{2}))?)?",
        text,
        re.ASCII | re.IGNORECASE,
    )
    if match is None:
        return None
    year, month, day, hour, minute, second, half, zone = match.groups()
    hours = int(hour or 0)
    if half:
        if not 1 <= hours <= 12:
            return None
        hours = hours % 12 + (12 if half.lower() == "p" else 0)
    if int(second or 0) > 60:
        return None
    try:
        found = datetime(
            int(year), int(month), int(day), hours, int(minute or 0), tzinfo=timezone.utc
        )
    except ValueError:
        return None
    found += timedelta(0)
    seconds = round((found - datetime(1970, 1, 1, tzinfo=timezone.utc)).total_seconds())
    seconds += int(second or 0)
    if zone and zone[0] in "+-":
        digits = zone[1:].replace(":", "")
        offset = int(digits[:2]) * 3600 + int(digits[2:] or 0) * 60
        seconds -= offset if zone[0] == "+" else -offset
    return seconds


def reading_of(parsed: Parsed) -> Reading:
    """The result of the parser, for comparison."""
    rows = parsed.rows
    columns = to_list(rows.users), to_list(rows.movies), rows.ratings.tolist(), rows.times.tolist()
    return Reading(
        rows=list(zip(*columns, strict=True)),
        rejects=[(one.line, one.offset, one.text) for one in parsed.rejects],
        headers=parsed.num_headers,
        blanks=parsed.num_blanks,
        unrated=parsed.num_unrated,
        untimed=parsed.num_untimed,
        text_users=[parsed.text_user.line] if parsed.text_user else [],
        text_movies=[parsed.text_movie.line] if parsed.text_movie else [],
        continued=parsed.num_continued,
        lines=parsed.num_lines,
    )
