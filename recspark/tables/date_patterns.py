"""Dates and times by a pattern such as `%d.%m.%Y %H:%M`, a whole column at a time."""

from __future__ import annotations

import functools
import re

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recspark.arrays.ratings import SECONDS_A_DAY
from recspark.config.date_patterns import expand

_ZONE = r"(?P<z>[Zz]|UTC|GMT|[+-]\d{2}:?\d{2}|[+-]\d{2})"
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH_NAME = (
    r"(?P<b>Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?"
    r"|Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\.?"
)
_DAY_NAME = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*\.?"
# Numbers of one or two digits; two where another number follows at once.
_SHORT = ("m", "d", "H", "I", "M", "S")
_DIRECTIVES = {
    "Y": r"(?P<Y>\d{4})",
    "y": r"(?P<y>\d{2})",
    "j": r"(?P<j>\d{1,3})",
    "f": r"(?P<f>\d{1,9})",
    "p": r"(?P<p>[AaPp]\.?[Mm]\.?)",
    "b": _MONTH_NAME,
    "B": _MONTH_NAME,
    "a": _DAY_NAME,
    "A": _DAY_NAME,
    "z": _ZONE,
    "Z": _ZONE,
    "%": "%",
    **{letter: rf"(?P<{letter}>\d{{1,2}})" for letter in _SHORT},
}
# What may follow a date without a time of day in its pattern.
_TIME_OF_DAY = (
    r"(?:(?:[Tt]|,?\s+)(?P<H>\d{1,2}):(?P<M>\d{2})(?::(?P<S>\d{2})(?:[.,]\d{1,9})?)?"
    rf"(?:\s*(?P<p>[AaPp]\.?[Mm]\.?))?(?:\s*{_ZONE})?)?"
)
_ZERO = ord("0")


@functools.cache
def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Return the regular expression of a pattern, with a group for each directive."""
    pattern = expand(pattern)
    pieces = re.split(r"(%.)", pattern)
    regex = ""
    for number, piece in enumerate(pieces):
        if number % 2 == 0:
            words = (re.escape(word) for word in re.split(r"\s+", _as_latin(piece.encode())))
            regex += r"\s+".join(words)
            continue
        letter = piece[1]
        is_adjacent = (number >= 2 and not pieces[number - 1]) or (
            number + 2 < len(pieces) and not pieces[number + 1]
        )
        regex += (
            rf"(?P<{letter}>\d{{2}})" if letter in _SHORT and is_adjacent else _DIRECTIVES[letter]
        )
    if not re.search("%[HI]", pattern):
        regex += _TIME_OF_DAY
    return re.compile(regex, re.ASCII | re.IGNORECASE)


def parse_dates(
    values: pa.StringArray, pattern: str
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Return seconds since 1970 UTC and which texts name a time, [n]; others have 0.

    Texts of one shape (as long, with the same characters beside the digits) are converted together.
    Offsets from UTC count. A fraction of a second is dropped.
    """
    regex = compile_pattern(pattern)
    num_values = len(values)
    seconds, is_time = np.zeros(num_values, np.int64), np.zeros(num_values, bool)
    _, offset_buffer, data = values.buffers()
    offsets = np.frombuffer(offset_buffer, np.int32)[values.offset :][: num_values + 1]
    if not num_values or data is None:
        return seconds, is_time
    starts, lengths = offsets[:-1].astype(np.int64), np.diff(offsets)
    characters = np.frombuffer(data, np.uint8)
    left = np.arange(num_values)
    while len(left):
        size = int(lengths[left[0]])
        is_alike = lengths[left] == size
        block = characters[starts[left[is_alike]][:, None] + np.arange(size)]
        is_same = _has_shape(block)
        rows = left[is_alike][is_same]
        match = regex.fullmatch(_as_latin(block[0].tobytes()))
        if match is not None:
            seconds[rows], is_time[rows] = _convert(block[is_same], match)
        is_alike[is_alike] = is_same
        left = left[~is_alike]
    return seconds, is_time


def _as_latin(text: bytes) -> str:
    """Return bytes as text with one character a byte, so that positions in both are the same."""
    return text.decode("latin-1")


def _has_shape(block: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Return which rows equal the first but for their digits, and have digits where it has."""
    template = block[0]
    is_digit = (template >= _ZERO) & (template <= ord("9"))
    same = (block[:, ~is_digit] == template[~is_digit]).all(axis=1)
    return np.asarray(same & (block[:, is_digit] - np.uint8(_ZERO) <= 9).all(axis=1))


def _convert(
    block: npt.NDArray[np.uint8], match: re.Match[str]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Return the seconds of texts of the shape of `match`, and which are real times."""

    def number(start: int, end: int) -> npt.NDArray[np.int64]:
        found = np.zeros(len(block), np.int64)
        for column in range(start, end):
            found = found * 10 + (block[:, column] - _ZERO)
        return found

    def part(letter: str, default: int) -> npt.NDArray[np.int64]:
        start, end = match.span(letter) if letter in match.re.groupindex else (-1, -1)
        return np.full(len(block), default, np.int64) if start < 0 else number(start, end)

    groups = {name: text for name, text in match.groupdict().items() if text is not None}
    year = part("Y", 0)
    if "y" in groups:
        year = part("y", 0)
        year = year + np.where(year >= 69, 1900, 2000)  # as POSIX has it
    month = part("m", 1)
    if "b" in groups:
        month = np.full(len(block), _MONTHS.index(groups["b"][:3].lower()) + 1)
    day = part("d", 1)
    hour, minute, second = part("H", 0), part("M", 0), part("S", 0)
    is_real = (hour <= 23) & (minute <= 59) & (second <= 60) & (year >= 1)
    if "I" in groups or "p" in groups:
        hour = part("I", 0) if "I" in groups else hour
        is_real &= (hour >= 1) & (hour <= 12)
        hour = hour % 12 + (12 if groups.get("p", "a")[0].lower() == "p" else 0)
    is_real &= (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    months = (year.clip(1) - 1970) * 12 + month.clip(1, 12) - 1
    firsts = months.astype("M8[M]").astype("M8[D]").astype(np.int64)
    lasts = (months + 1).astype("M8[M]").astype("M8[D]").astype(np.int64) - 1
    days = firsts + day - 1
    is_real &= days <= lasts
    if "j" in groups:
        number_of_day = part("j", 1)
        days = firsts + number_of_day - 1
        is_real &= (number_of_day >= 1) & (
            days < (year.clip(1) - 1969).astype("M8[Y]").astype("M8[D]").astype(np.int64)
        )
    seconds = days * SECONDS_A_DAY + hour * 3600 + minute * 60 + second
    zone = groups.get("z", "Z")
    if zone[0] in "+-":
        start, end = match.span("z")
        offset = number(start + 1, start + 3) * 3600
        if end - start > 3:
            offset = offset + number(end - 2, end) * 60
        seconds = seconds - offset if zone[0] == "+" else seconds + offset
    return np.where(is_real, seconds, 0), is_real
