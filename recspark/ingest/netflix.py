"""Netflix Prize text: a header `1234:` names the movie, then `user,rating,YYYY-MM-DD` lines.

Two parsers that must agree: one vectorised for clean pieces, one line by line for pieces in which
anything is out of the ordinary. Tests hold them against each other.
"""

from __future__ import annotations

import re
from datetime import date

import numpy as np
import pyarrow as pa
from pyarrow import csv

from recspark.ingest import rows as r
from recspark.ingest.rows import (
    NO_ROWS,
    Parsed,
    Reject,
    Rows,
    as_text,
    count_lines,
    is_column_names,
    is_misread_by_arrow,
    parse_id,
    parse_rating,
    split_lines,
)

_HEADER = re.compile(r"\d{1,10}:")
_DATE = re.compile(rb"\d{4}-\d{2}-\d{2}")
_COLUMNS = {"user": pa.int32(), "rating": pa.int8(), "date": pa.date32()}


def parse(data: bytes, movie: int | None) -> Parsed:
    """Return the ratings and refused lines of a piece of text that begins and ends with a line.

    Args:
        data: Whole lines; the last may lack its end.
        movie: The header in force before the first line: None for none yet, `rows.LOST` where it
            was damaged.
    """
    return _parse_clean(data, movie) or parse_lines(data, movie)


def is_header(line: bytes) -> bool:
    """Return whether a line is a movie header, be it a damaged one."""
    return line.rstrip(b" \t\r,").endswith(b":")


def header_movie(line: bytes) -> int:
    """Return the movie of a header line, `rows.LOST` where it names none."""
    return parse_id(line.rstrip(b" \t\r,")[:-1]) or r.LOST


def _parse_clean(data: bytes, movie: int | None) -> Parsed | None:
    """Return what `parse_lines` would, or None where the text is not clean throughout."""
    if is_misread_by_arrow(data):
        return None
    headers: list[tuple[int, str]] = []

    def on_other_line(row: csv.InvalidRow) -> str:
        headers.append((row.number, row.text))
        return "skip"

    try:
        table = csv.read_csv(
            pa.py_buffer(data),
            read_options=csv.ReadOptions(
                use_threads=False, column_names=list(_COLUMNS), block_size=len(data) + 1
            ),
            parse_options=csv.ParseOptions(
                quote_char=False, escape_char=False, invalid_row_handler=on_other_line
            ),
            convert_options=csv.ConvertOptions(
                column_types=_COLUMNS, null_values=[], strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid:
        return None
    users, ratings, days = (
        table.column(name).cast(kind).to_numpy()
        for name, kind in zip(_COLUMNS, (pa.int32(), pa.int8(), pa.int32()), strict=True)
    )
    movies = _movies(headers, len(users), movie)
    if movies is None or not _in_range(users, ratings, days):
        return None
    num_lines = count_lines(data)
    return Parsed(
        rows=Rows(users, movies, ratings.astype(np.float32), days),
        num_lines=num_lines,
        num_headers=len(headers),
        num_blanks=num_lines - len(users) - len(headers),
        movie=header_movie(headers[-1][1].encode()) if headers else movie,
    )


def _in_range(users: np.ndarray, ratings: np.ndarray, days: np.ndarray) -> bool:
    if len(users) == 0:
        return True
    return bool(
        users.min() >= 1
        and ratings.min() >= 1
        and ratings.max() <= 5
        and days.min() >= r.FIRST_DAY
        and days.max() <= r.LAST_DAY
    )


def _movies(headers: list[tuple[int, str]], num_rows: int, movie: int | None) -> np.ndarray | None:
    """Return the movie of each row; None where a header is damaged or a row has none."""
    if any(not _HEADER.fullmatch(text) for _, text in headers):
        return None
    ids = [parse_id(text[:-1].encode()) for _, text in headers]
    # Header k (from 0) is row n_k of the text without its blank lines: n_k - 1 - k ratings precede.
    before = [number - 1 - position for position, (number, _) in enumerate(headers)]
    ends = [*before, num_rows]
    if None in ids or (ends[0] > 0 and not movie):
        return None
    runs = np.diff([0, *ends])
    return np.repeat(np.array([movie or 0, *ids], dtype=np.int32), runs)


def parse_lines(data: bytes, movie: int | None) -> Parsed:
    """Return the same as `parse`, one line after the other."""
    values: list[tuple[int, int, float, int]] = []
    parsed = Parsed(NO_ROWS, num_lines=0, num_headers=0, num_blanks=0, movie=movie)
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
        elif is_column_names(line.split(b","), len(_COLUMNS)):
            parsed.num_headers += 1
        else:
            value = _parse_rating(line, parsed.movie)
            if isinstance(value, str):
                reason = value
            else:
                values.append(value)
                parsed.row_lines.append(number)
        if reason:
            parsed.rejects.append(Reject(number, offset, as_text(line), reason))
    parsed.rows = Rows.of(values)
    return parsed


def _parse_rating(line: bytes, movie: int | None) -> tuple[int, int, float, int] | str:
    """Return (user, movie, rating, day), or the reason why the line is refused."""
    fields = line.rstrip(b" \t,").split(b",")  # some copies end their lines with commas
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
    return user, movie, rating, day


def parse_day(field: bytes) -> int | None:
    """Return the days since 1970-01-01 of a date YYYY-MM-DD, or None."""
    text = field.strip()
    if not _DATE.fullmatch(text):
        return None
    try:
        day = date.fromisoformat(text.decode()).toordinal() - r.EPOCH
    except ValueError:
        return None
    return day if r.FIRST_DAY <= day <= r.LAST_DAY else None
