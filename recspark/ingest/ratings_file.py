"""Writes one file of `ratings`."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from recspark.arrays.ids import TextIds, to_arrow
from recspark.arrays.ratings import NO_TIME, Ratings, are_days
from recspark.cluster.tasks import PartFile, write_part
from recspark.contract import columns as c

_MICROSECONDS = 1_000_000


def write_ratings(rows: Ratings, root: str, name: str) -> PartFile:
    """Write ratings as `<root>/<name>` from inside a task; the file appears after `commit_parts`.

    Whole-number ids are stored as differences, which is smaller and faster than a dictionary or
    plain numbers. Text ids are stored with a dictionary. So are times if all are days.
    """
    times = rows.times.astype(np.int64) * _MICROSECONDS
    is_unknown = rows.times == NO_TIME
    table = pa.table(
        {
            c.USER_ID: to_arrow(rows.users),
            c.MOVIE_ID: to_arrow(rows.movies),
            c.RATING: pa.array(rows.ratings),
            c.RATED_AT: pa.array(times, mask=is_unknown if is_unknown.any() else None).cast(
                pa.timestamp("us", "UTC")
            ),
        }
    )
    ids = {c.USER_ID: rows.users, c.MOVIE_ID: rows.movies}
    close = [column for column, values in ids.items() if not isinstance(values, TextIds)]
    if not are_days(rows.times):
        close.append(c.RATED_AT)
    return write_part(table, root, name, close=close)
