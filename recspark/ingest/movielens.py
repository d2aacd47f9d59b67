"""MovieLens-100K's u.data: `user, movie, rating, epoch seconds`, separated by tabs.

As for Netflix, a vectorised parser for clean pieces and one line by line for the others.
"""

from __future__ import annotations

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
    is_column_names,
    is_misread_by_arrow,
    parse_id,
    parse_rating,
    parse_whole,
    split_lines,
)

SECONDS_A_DAY = 86_400
_COLUMNS = {"user": pa.int32(), "movie": pa.int32(), "rating": pa.int8(), "seconds": pa.int64()}


def parse(data: bytes, movie: int | None = None) -> Parsed:
    """Return the ratings and refused lines of a piece of text that begins and ends with a line.

    Args:
        data: Whole lines; the last may lack its end.
        movie: Unused: every line names its movie.
    """
    return _parse_clean(data) or parse_lines(data)


def _parse_clean(data: bytes) -> Parsed | None:
    """Return what `parse_lines` would, or None where the text is not clean throughout."""
    if is_misread_by_arrow(data):
        return None
    try:
        table = csv.read_csv(
            pa.py_buffer(data),
            read_options=csv.ReadOptions(
                use_threads=False, column_names=list(_COLUMNS), block_size=len(data) + 1
            ),
            parse_options=csv.ParseOptions(delimiter="\t", quote_char=False, escape_char=False),
            convert_options=csv.ConvertOptions(
                column_types=_COLUMNS, null_values=[], strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid:
        return None
    users, movies, ratings, seconds = (table.column(name).to_numpy() for name in _COLUMNS)
    days = seconds // SECONDS_A_DAY
    if len(users) and not (
        min(users.min(), movies.min(), ratings.min()) >= 1
        and ratings.max() <= 5
        and days.min() >= r.FIRST_DAY
        and days.max() <= r.LAST_DAY
    ):
        return None
    num_lines = data.count(b"\n") + (not data.endswith(b"\n"))
    return Parsed(
        rows=Rows(users, movies, ratings.astype(np.float32), days.astype(np.int32)),
        num_lines=num_lines,
        num_headers=0,
        num_blanks=num_lines - len(users),
        movie=None,
    )


def parse_lines(data: bytes) -> Parsed:
    """Return the same as `parse`, one line after the other."""
    values: list[tuple[int, int, float, int]] = []
    parsed = Parsed(NO_ROWS, num_lines=0, num_headers=0, num_blanks=0, movie=None)
    for number, (offset, line) in enumerate(split_lines(data)):
        parsed.num_lines += 1
        if not line.strip():
            parsed.num_blanks += 1
        elif is_column_names(line.split(b"\t"), len(_COLUMNS)):
            parsed.num_headers += 1
        else:
            value = _parse_rating(line)
            if isinstance(value, str):
                parsed.rejects.append(Reject(number, offset, as_text(line), value))
            else:
                values.append(value)
                parsed.row_lines.append(number)
    parsed.rows = Rows.of(values)
    return parsed


def _parse_rating(line: bytes) -> tuple[int, int, float, int] | str:
    """Return (user, movie, rating, day), or the reason why the line is refused."""
    fields = line.rstrip(b" \t,").split(b"\t")
    if len(fields) != len(_COLUMNS):
        return r.WRONG_FIELDS
    user, movie, rating = parse_id(fields[0]), parse_id(fields[1]), parse_rating(fields[2])
    seconds = parse_whole(fields[3])
    if user is None:
        return r.BAD_USER
    if movie is None:
        return r.BAD_MOVIE
    if rating is None:
        return r.BAD_RATING
    if seconds is None or seconds // SECONDS_A_DAY > r.LAST_DAY:
        return r.BAD_TIME
    return user, movie, rating, seconds // SECONDS_A_DAY
