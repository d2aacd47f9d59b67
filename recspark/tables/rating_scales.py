"""Which ratings a layout allows, and how a column of them is read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from recspark.tables import parsed as r

# A number as text.
NUMBER = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Scale:
    """Numbers from `lowest` to `highest`; if `step` is set, only its multiples.

    Attributes:
        lowest: Smallest rating allowed.
        highest: Largest rating allowed.
        step: Distance between neighbouring ratings, a power of two; None allows any number.
        reason: Why any other text is refused.
        missing: Numbers and words that mean "not rated".
        decimal: The decimal point.
        thousands: What separates groups of three digits; None if nothing does.
    """

    lowest: float
    highest: float
    step: float | None
    reason: str
    missing: tuple[float | str, ...] = ()
    decimal: str = "."
    thousands: str | None = None

    def allows(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """Return which numbers are allowed; NaN is not."""
        allowed = (values >= self.lowest) & (values <= self.highest)
        if self.step is None:
            return allowed
        with np.errstate(invalid="ignore"):  # inf has no remainder
            return allowed & (values % self.step == 0)

    def read(self, column: pa.Array) -> RatingColumn:
        """Return the ratings of a column of numbers or text."""
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        if pa.types.is_boolean(column.type):
            column = column.cast(pa.int8())
        is_missing: npt.NDArray[np.bool_] | None = None
        if is_number_type(column.type):
            values = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
            words = [word for word in self.missing if isinstance(word, str)]
            if "" in words or "nan" in words:
                is_missing = np.isnan(values)
        else:
            values, is_missing = self._read_texts(column)
        allowed = self.allows(values)
        numbers = [number for number in self.missing if not isinstance(number, str)]
        if numbers:
            found = np.isin(values, numbers)
            is_missing = found if is_missing is None else is_missing | found
        unrated = np.zeros(len(values), bool) if is_missing is None else is_missing
        return RatingColumn(values, is_bad=~allowed & ~unrated, is_unrated=unrated)

    def _read_texts(
        self, column: pa.Array
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        """Return the numbers that texts name, NaN for others, and which are words for missing."""
        coded = as_strings(column).dictionary_encode()
        codes = coded.indices.to_numpy(zero_copy_only=False)
        texts = pc.utf8_trim_whitespace(coded.dictionary)
        words = [word for word in self.missing if isinstance(word, str)]
        is_missing = pc.is_in(texts, pa.array(words, pa.string())).to_numpy(zero_copy_only=False)
        if self.thousands:
            texts = _without_thousands(texts, self.thousands)
        if self.decimal != ".":
            texts = pc.replace_substring(texts, ".", "?")  # 1.300 is no number here
            texts = pc.replace_substring(texts, self.decimal, ".")
        is_number = pc.match_substring_regex(texts, NUMBER)
        plain = pc.if_else(is_number, pc.utf8_ltrim(texts, "+"), "nan")
        values = np.array([float(text) for text in plain.to_pylist()], np.float64)
        return values[codes], is_missing[codes]


@dataclass(frozen=True)
class RatingColumn:
    """Ratings, float64 [n], and which of them are no rating at all or mean "not rated"."""

    values: npt.NDArray[np.float64]
    is_bad: npt.NDArray[np.bool_]
    is_unrated: npt.NDArray[np.bool_]


def as_strings(column: pa.Array) -> pa.StringArray:
    """Return a column of bytes or text as text without nulls; what is not UTF-8 becomes "?"."""
    if pa.types.is_null(column.type):
        column = column.cast(pa.string())
    if not pa.types.is_string(column.type):
        try:
            column = column.cast(pa.string())
        except pa.ArrowInvalid:
            texts = [(one or b"").decode("utf-8", "replace") for one in column.to_pylist()]
            column = pa.array(texts, pa.string())
    return column.fill_null("") if column.null_count else column


def _without_thousands(texts: pa.StringArray, mark: str) -> pa.StringArray:
    """Return numbers such as 1,300 without their separators; other texts as they are."""
    grouped = rf"^[+-]?[0-9]{{1,3}}(?:\Q{mark}\E[0-9]{{3}})+(?:[^0-9].*)?$"
    is_grouped = pc.match_substring_regex(texts, grouped)
    return pc.if_else(is_grouped, pc.replace_substring(texts, mark, ""), texts)


def is_number_type(kind: pa.DataType) -> bool:
    """Return whether a column holds numbers, as opposed to text or dates."""
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    )


WHOLE_STARS = Scale(1, 5, 1, r.BAD_RATING)
HALF_STARS = Scale(0.5, 5, 0.5, r.BAD_HALF_RATING)
ANY_NUMBER = Scale(-_LARGEST, _LARGEST, None, r.BAD_NUMBER)
