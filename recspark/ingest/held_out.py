"""Netflix's probe.txt and qualifying.txt: pairs below movie headers, with a date or without."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from recspark.contract import columns as c
from recspark.ingest.netflix import header_movie, is_header, parse_day
from recspark.tables import parsed as r
from recspark.tables.parsed import Reject
from recspark.text.lines import as_text, parse_id, split_lines
from recspark.text.sources import BOM, Source, open_text


@dataclass
class HeldOut:
    """The content of a held-out file. lines = pairs + rejects + headers + blanks."""

    frame: pd.DataFrame
    """`position, user_id, movie_id, rated_on`, in the file's order; dates are None in a probe."""
    rejects: list[Reject] = field(default_factory=list)
    num_lines: int = 0
    num_headers: int = 0
    num_blanks: int = 0


def read_held_out(source: Source, *, has_dates: bool) -> HeldOut:
    """Return the pairs of a file and the lines that were refused.

    Runs on the driver: the real files have 1.4 and 2.8 million pairs (seconds, 100 MB).

    Args:
        source: probe.txt or qualifying.txt.
        has_dates: Whether lines are `user,date` (qualifying) or a user alone (probe).
    """
    with open_text(source) as file:
        data = file.read().removeprefix(BOM)
    users, movies, days = array("i"), array("i"), array("i")
    found = HeldOut(pd.DataFrame())
    movie: int | None = None
    for number, (offset, line) in enumerate(split_lines(data)):
        found.num_lines += 1
        if not line.strip():
            found.num_blanks += 1
            continue
        reason: str | None = None
        if is_header(line):
            movie = header_movie(line)
            if movie == r.LOST:
                reason = r.BAD_HEADER
            else:
                found.num_headers += 1
        else:
            pair = _parse(line, movie, has_dates)
            if isinstance(pair, str):
                reason = pair
            else:
                users.append(pair[0])
                movies.append(pair[1])
                days.append(pair[2])
        if reason:
            found.rejects.append(Reject(number, offset, as_text(line), reason))
    found.frame = _frame(users, movies, days, has_dates)
    return found


def _parse(line: bytes, movie: int | None, has_dates: bool) -> tuple[int, int, int] | str:
    """Return (user, movie, day), or the reason why the line is refused."""
    fields = line.rstrip(b" \t,").split(b",")
    if len(fields) != 1 + has_dates:
        return r.WRONG_FIELDS
    user = parse_id(fields[0])
    day = parse_day(fields[1]) if has_dates else 0
    if user is None:
        return r.BAD_USER
    if day is None:
        return r.BAD_DATE
    if not movie:
        return r.NO_HEADER if movie is None else r.LOST_HEADER
    return user, movie, day


def _frame(
    users: array[int], movies: array[int], days: array[int], has_dates: bool
) -> pd.DataFrame:
    dates = pd.Series(np.frombuffer(days, np.int32).astype("M8[D]").astype(object), dtype=object)
    return pd.DataFrame(
        {
            c.POSITION: np.arange(len(users), dtype=np.int64),
            c.USER_ID: np.frombuffer(users, np.int32),
            c.MOVIE_ID: np.frombuffer(movies, np.int32),
            c.RATED_ON: dates if has_dates else None,
        }
    )
