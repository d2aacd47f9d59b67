"""When pairs are rated, in the forms that Python users pass times."""

from __future__ import annotations

import numbers
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timezone
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from recspark.arrays.ratings import NO_TIME
from recspark.errors import DataError, describe
from recspark.redact import shown
from recspark.tables.rating_scales import is_number_type
from recspark.tables.time_formats import TimeFormat, is_date_type

_NOTHING = ("NaT", "<NA>")  # as pandas shows them


def read_times(times: Any, num_pairs: int) -> npt.NDArray[np.int32]:
    """Return seconds since 1970-01-01 UTC, int32 [num_pairs]; NO_TIME for no particular moment.

    Args:
        times: A list, tuple, range, NumPy array, pandas Series or Arrow array of datetimes,
            timestamps, dates or numbers of seconds, or one of these for all pairs. Without a zone
            they are UTC. None, NaN and NaT are no particular moment.
        num_pairs: Number of pairs.

    Raises:
        DataError: A value is no time, or more than 68 years from 1970; or there is another number
            of times.
    """
    num_dimensions = getattr(times, "ndim", 1)
    is_single = (
        not isinstance(times, Iterable) or isinstance(times, str | bytes) or num_dimensions == 0
    )
    if is_single:
        times = [times[()] if num_dimensions == 0 else times]
    column = _as_column(times)
    found = TimeFormat("seconds").read(column).seconds
    is_time = pc.fill_null(pc.is_finite(column), False) if is_number_type(column.type) else None
    is_time = column.is_valid() if is_time is None else is_time
    is_lost = (found == NO_TIME) & is_time.to_numpy(zero_copy_only=False)
    if is_lost.any():
        position = int(np.argmax(is_lost))
        _refuse(position, column[position].as_py())
    if is_single:
        return np.repeat(found, num_pairs)
    if len(found) != num_pairs:
        raise DataError(
            describe(
                "times",
                found=f"{len(found):,} times",
                expected=f"{num_pairs:,}, one for each pair, or a single one",
                remedy="Give the time of each pair, and None for no particular moment.",
            )
        )
    return found


def _as_column(times: Any) -> pa.Array:
    """Return times as an Arrow array of numbers, dates or timestamps."""
    kind = getattr(getattr(times, "dtype", None), "kind", "")
    if isinstance(times, np.ndarray) and kind == "M":
        times = times.astype("datetime64[s]")  # Arrow knows no hours
    if hasattr(times, "__array__") and kind != "O":
        column = pa.array(times, from_pandas=True)
        column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        if is_number_type(column.type) or is_date_type(column.type):
            return column
        times = column.to_pylist()
    return pa.array(_seconds_of_each(list(times)), pa.float64())


def _seconds_of_each(times: Sequence[Any]) -> list[float]:
    found = []
    for position, time in enumerate(times):
        seconds = _seconds_of(time)
        if seconds is None:
            _refuse(position, time)
        found.append(seconds)
    return found


def _seconds_of(time: Any) -> float | None:
    """Return seconds since 1970, NaN for no particular moment; None for what is no time."""
    if isinstance(time, np.datetime64):
        time = time.astype("datetime64[us]").item()
    if time is None or repr(time) in _NOTHING:
        return float("nan")
    if isinstance(time, date) and not isinstance(time, datetime):
        time = datetime(time.year, time.month, time.day)
    if isinstance(time, datetime):
        return (time if time.tzinfo else time.replace(tzinfo=timezone.utc)).timestamp()
    if isinstance(time, numbers.Real) and not isinstance(time, bool):
        return float(time)
    return None


def _refuse(position: int, value: Any) -> NoReturn:
    raise DataError(
        describe(
            f"times[{position}]",
            found=shown(repr(value)),
            expected="a datetime, a timestamp, a date, or seconds since 1970, of 1902 to 2038",
            remedy="Convert it, e.g. with pandas.to_datetime, or give None for no particular "
            "moment.",
        )
    )
