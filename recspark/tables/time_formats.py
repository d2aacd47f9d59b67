"""How a layout writes the time of a rating: numbers since 1970, or dates by a pattern."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from recspark.arrays.ratings import FIRST_TIME, LAST_TIME, NO_TIME, SECONDS_A_DAY
from recspark.tables import parsed as r
from recspark.tables.date_patterns import parse_dates
from recspark.tables.rating_scales import NUMBER, as_strings

UNITS = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
ISO_DATE = "%Y-%m-%d"
# What programs write where there is no time.
NO_TIME_WORDS = (
    *("", "NULL", "null", "\\N", "NaN", "nan", "NaT", "<NA>", "NA", "N/A", "None", "none"),
    *("0000-00-00", "0000-00-00 00:00:00"),
)
_INTEGER = r"^-?[0-9]{1,18}$"


@dataclass(frozen=True)
class TimeColumn:
    """Times, int32 [n]: seconds since 1970 UTC or NO_TIME; and which values are no times at all."""

    seconds: npt.NDArray[np.int32]
    is_bad: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class TimeFormat:
    """Times as numbers since 1970, or as dates.

    Attributes:
        form: `seconds`, `milliseconds`, `microseconds`, `nanoseconds`, or a pattern of a date such
            as %Y-%m-%d or %d.%m.%Y; a time of day may follow if the pattern has none.
    """

    form: str

    @property
    def reason(self) -> str:
        """Why any other text is refused."""
        if self.form in UNITS:
            return r.BAD_TIME.replace("seconds", self.form)
        return f"{r.BAD_DATE} of the form {self.form}"

    @property
    def is_epoch(self) -> bool:
        """Whether times are numbers since 1970."""
        return self.form in UNITS

    def read(self, column: pa.Array) -> TimeColumn:
        """Return the times of a column of numbers, text, dates or timestamps.

        Dates and timestamps know their own form. A timestamp without a zone is taken for UTC.
        """
        if pa.types.is_dictionary(column.type):
            return self._read_texts(column)
        if is_date_type(column.type):
            return _of_whole(*_seconds_of_dates(column))
        is_number = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
        if is_number and self.is_epoch:
            return self._read_numbers(column)
        if is_number or pa.types.is_decimal(column.type):
            column = pc.replace_substring_regex(column.cast(pa.string()), r"\.0*$", "")
        return self._read_texts(column)

    def _read_numbers(self, column: pa.Array) -> TimeColumn:
        is_known = column.is_valid().to_numpy(zero_copy_only=False)
        if pa.types.is_floating(column.type):
            numbers = column.to_numpy(zero_copy_only=False).astype(np.float64)
            is_known = np.isfinite(numbers)
            seconds = np.floor(np.where(is_known, numbers, 0) / UNITS[self.form])
            return _of_whole(seconds, is_known)
        if column.null_count:
            column = column.fill_null(0)
        values = column.to_numpy(zero_copy_only=False)
        unit = UNITS[self.form]
        return _of_whole(values if unit == 1 else values // unit, is_known)

    def _read_texts(self, column: pa.Array) -> TimeColumn:
        """Return the times of a column of text, of which only distinct values are looked at."""
        coded = column
        if not pa.types.is_dictionary(column.type):
            coded = as_strings(column).dictionary_encode()
        codes = coded.indices.fill_null(0).to_numpy(zero_copy_only=False)
        texts = pc.utf8_trim_whitespace(as_strings(coded.dictionary))
        if not len(texts):
            return _of_whole(np.zeros(len(codes), np.int64), np.zeros(len(codes), bool))
        is_known = ~pc.is_in(texts, pa.array(NO_TIME_WORDS)).to_numpy(zero_copy_only=False)
        if self.is_epoch:
            found, is_time = self._parse_numbers(texts)
        else:
            seconds, is_time = parse_dates(texts, self.form)
            found = _of_whole(seconds, is_known & is_time).seconds
        times = np.where(is_known, found, NO_TIME).astype(np.int32)[codes]
        is_bad = (is_known & ~is_time)[codes]
        if coded.null_count:
            is_null = coded.is_null().to_numpy(zero_copy_only=False)
            times[is_null], is_bad[is_null] = NO_TIME, False
        return TimeColumn(times, is_bad)

    def _parse_numbers(
        self, texts: pa.StringArray
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
        is_number = pc.match_substring_regex(texts, NUMBER)
        is_integer = pc.match_substring_regex(texts, _INTEGER)
        integers = pc.if_else(is_integer, texts, "0").cast(pa.int64())
        is_other = pc.and_(is_number, pc.invert(is_integer))
        floats = pa.array(
            [float(text) for text in pc.if_else(is_other, texts, "nan").to_pylist()], pa.float64()
        )
        has_integer = is_integer.to_numpy(zero_copy_only=False)
        found = np.where(
            has_integer, self._read_numbers(integers).seconds, self._read_numbers(floats).seconds
        )
        return found, is_number.to_numpy(zero_copy_only=False)


def is_date_type(kind: pa.DataType) -> bool:
    """Return whether a column holds dates or timestamps, as opposed to numbers or text."""
    return bool(pa.types.is_date(kind) or pa.types.is_timestamp(kind))


def _of_whole(seconds: npt.NDArray, is_known: npt.NDArray[np.bool_]) -> TimeColumn:
    """Return times; those unknown or out of range are NO_TIME."""
    is_bad = np.zeros(len(seconds), bool)
    if (
        len(seconds)
        and is_known.all()
        and FIRST_TIME <= seconds.min() <= seconds.max() <= LAST_TIME
    ):
        return TimeColumn(seconds.astype(np.int32), is_bad)
    fits = is_known & (seconds >= FIRST_TIME) & (seconds <= LAST_TIME)
    return TimeColumn(np.where(fits, seconds, NO_TIME).astype(np.int32), is_bad)


def _seconds_of_dates(column: pa.Array) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    is_known = column.is_valid().to_numpy(zero_copy_only=False)
    if pa.types.is_date32(column.type):
        days = column.cast(pa.int32()).fill_null(0).to_numpy(zero_copy_only=False)
        return days.astype(np.int64) * SECONDS_A_DAY, is_known
    unit = "ms" if pa.types.is_date64(column.type) else column.type.unit
    values = column.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    return values // {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit], is_known
