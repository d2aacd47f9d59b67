"""How a layout writes the time of a rating, and the day that a time falls on (in UTC)."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recspark.ingest import parsed as r
from recspark.text.lines import parse_whole

UNITS = {"seconds": 1, "milliseconds": 1000}
ISO_DATE = "%Y-%m-%d"
_SECONDS_A_DAY = 86_400
_TIME_OF_DAY = r"([T ].*)?"


@dataclass(frozen=True)
class TimeFormat:
    """Times as whole numbers since 1970, or as dates.

    Attributes:
        form: `seconds`, `milliseconds`, or a date such as %Y-%m-%d or %d.%m.%Y, which a time of
            day may follow.
    """

    form: str

    @property
    def reason(self) -> str:
        """Why any other text is refused."""
        if self.form in UNITS:
            return r.BAD_TIME.replace("seconds", self.form)
        return r.BAD_DATE

    @property
    def arrow_type(self) -> pa.DataType:
        """The type to read the column as, before `days` converts it."""
        return pa.int64() if self.form in UNITS else pa.string()

    def parse(self, field: bytes) -> int | None:
        """Return the day since 1970-01-01 that a text names, or None."""
        if self.form in UNITS:
            number = parse_whole(field)
            if number is None:
                return None
            day = number // (UNITS[self.form] * _SECONDS_A_DAY)
        else:
            match = _pattern(self.form).fullmatch(field.strip().decode("latin-1"))
            if match is None:
                return None
            try:
                named = date(*(int(match[part]) for part in "Ymd"))
            except ValueError:
                return None
            day = named.toordinal() - r.EPOCH
        return day if r.FIRST_DAY <= day <= r.LAST_DAY else None

    def days(self, column: pa.ChunkedArray) -> npt.NDArray[np.int32] | None:
        """Return what `parse` returns for each value, or None if one is refused."""
        if self.form in UNITS:
            numbers = column.to_numpy()
            # Arrow reads -0 as 0, but `parse` refuses it: leave these to `parse`.
            if len(numbers) and numbers.min() < 1:
                return None
            days = numbers // (UNITS[self.form] * _SECONDS_A_DAY)
            if len(days) and days.max() > r.LAST_DAY:
                return None
            return days.astype(np.int32)
        # There are few different days, each occurring many times.
        coded = column.combine_chunks().dictionary_encode()
        values = [self.parse(text.encode()) for text in coded.dictionary.to_pylist()]
        if None in values:
            return None
        return np.array(values, dtype=np.int32)[coded.indices.to_numpy()]


@functools.cache
def _pattern(form: str) -> re.Pattern[str]:
    """Return the regular expression with the groups Y, m and d.

    Except in ISO_DATE, day and month may have one digit if separators stand between all parts.
    """
    short = r"\d{2}" if re.search(r"%[Ymd]%[Ymd]", form) or form == ISO_DATE else r"\d{1,2}"
    parts = {"%Y": r"(?P<Y>\d{4})", "%m": f"(?P<m>{short})", "%d": f"(?P<d>{short})"}
    pieces = re.split("(%[Ymd])", form)
    text = "".join(parts.get(piece, re.escape(piece)) for piece in pieces)
    return re.compile(text + _TIME_OF_DAY, re.ASCII | re.DOTALL)
