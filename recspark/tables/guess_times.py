"""Guesses how a column of times is written, from a sample of its values."""

from __future__ import annotations

from datetime import datetime, timezone

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recspark.arrays.ratings import SECONDS_A_DAY
from recspark.errors import DataError, describe
from recspark.redact import shown
from recspark.tables.rating_scales import NUMBER, as_strings
from recspark.tables.time_formats import ISO_DATE, NO_TIME_WORDS, UNITS, TimeFormat, is_date_type

# Patterns tried, each also with a time of day after it.
_PATTERNS = (
    *(ISO_DATE, "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d"),
    *("%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d.%m.%Y"),
    *("%d/%m/%y", "%m/%d/%y", "%d-%m-%y", "%m-%d-%y", "%d.%m.%y"),
    *("%b %d, %Y", "%b %d %Y", "%d %b, %Y", "%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%Y-%b-%d"),
    *("%m %d, %Y", "%a, %d %b %Y", "%a %b %d %H:%M:%S %Y", "%a %b %d %H:%M:%S %z %Y"),
    *("%d/%b/%Y:%H:%M:%S %z", "%Y%m%d%H%M%S", "%Y%m%dT%H%M%S", "%Y%m%dT%H%M%S%z", "%d %B %Y"),
    *("%Y-%m-%d-%H.%M.%S", "%Y-%m-%d %H.%M.%S", "%A, %B %d, %Y", "%Y年%m月%d日"),
)
SETTING = "ingest.table.time_format"
# Above these, a number since 1970 has the next smaller unit: 1e11 seconds are the year 5138.
_LIMITS = ((1e11, "seconds"), (1e14, "milliseconds"), (1e17, "microseconds"))
_LIKELY = 0.1  # the share of likely times below which a format is in doubt
_ENOUGH = 0.5  # the share of the values that a pattern must read
FIRST_LIKELY = int(datetime(1990, 1, 1, tzinfo=timezone.utc).timestamp())


def settle_time_format(
    values: pa.Array, form: str, where: str, *, now: float, setting: str = SETTING
) -> tuple[TimeFormat, list[str]]:
    """Return the format of times, and notes on what was guessed or is doubtful.

    Args:
        values: A sample of the column: text, or dates, which know their own format.
        form: The format asked for; `auto` guesses it.
        where: The column, for messages.
        now: Later times are unlikely (seconds since 1970).
        setting: The setting of the format, for messages.

    Raises:
        DataError: The form of times is not clear, or another unit than the one set fits.
    """
    notes = []
    if is_date_type(values.type):
        form = ISO_DATE
    elif form == "auto":
        form, why = guess_time_format(values, where, setting)
        notes.append(f"{where}: time_format {form} ({why})")
    doubt, better = find_doubt(values, form, now)
    if better is not None:
        raise DataError(
            describe(
                where,
                found=f"{form}, with which {doubt}",
                expected=f"{better}, with which they do not",
                remedy=f"Set {setting}: {better}.",
            )
        )
    if doubt is not None:
        notes.append(f"{where}: {doubt} (time_format {form}). Check them.")
    return TimeFormat(form), notes


def guess_time_format(values: pa.Array, where: str, setting: str = SETTING) -> tuple[str, str]:
    """Return the format of times, and why.

    Args:
        values: A sample of the column: text.
        where: The column, for messages.
        setting: The setting of the format, for messages.

    Raises:
        DataError: No known format reads half of the values, or days and months cannot be told
            apart.
    """
    texts = pc.utf8_trim_whitespace(as_strings(values)).unique()
    texts = texts.filter(pc.invert(pc.is_in(texts, pa.array(NO_TIME_WORDS))))
    if not len(texts):
        return ISO_DATE, "there is no time in the first lines"
    example = shown(texts[0].as_py(), 40)
    is_number = pc.match_substring_regex(texts, NUMBER).to_numpy(zero_copy_only=False)
    if is_number.mean() >= _ENOUGH:
        numbers = np.array([float(text) for text in texts.filter(pa.array(is_number)).to_pylist()])
        if not _is_compact_date(texts):
            return _unit_of(float(np.median(np.abs(numbers)))), f"numbers such as {example}"
    shares = {form: _share(texts, form) for form in _PATTERNS}
    best = max(shares.values())
    alike = [form for form in _PATTERNS if shares[form] == best]
    if best < _ENOUGH:
        raise DataError(
            describe(
                where,
                found=f"times such as {example}",
                expected="a known form of dates, or numbers since 1970",
                remedy=f"Set {setting}, e.g. to '%d.%m.%Y %H:%M'.",
            )
        )
    rival = next((form for form in alike[1:] if form == _swapped(alike[0])), None)
    if rival is not None:
        raise DataError(
            describe(
                where,
                found=f"times such as {example}, in which day and month could be either way round",
                expected="a form that says which",
                remedy=f"Set {setting} to {alike[0]!r} (day first) or to {rival!r} (month first).",
            )
        )
    return alike[0], f"dates such as {example}"


def find_doubt(values: pa.Array, form: str, now: float) -> tuple[str | None, str | None]:
    """Return what is unlikely about the times that a format gives, and a unit that fits better.

    Args:
        values: A sample of the column.
        form: The format in use.
        now: Seconds since 1970.
    """
    if not is_date_type(values.type):
        texts = as_strings(values)
        values = texts.filter(pc.invert(pc.is_in(texts, pa.array(NO_TIME_WORDS))))
    share = _share_likely(values.drop_null(), form, now)
    if share is None or share >= _LIKELY:
        return None, None
    better = None
    if form in UNITS:
        shares = {unit: _share_likely(values, unit, now) or 0.0 for unit in UNITS}
        better = next((unit for unit, one in shares.items() if one >= 1 - _LIKELY), None)
    return f"{1 - share:.0%} of the first times lie outside 1990 … now", better


def _share_likely(values: pa.Array, form: str, now: float) -> float | None:
    """Return the share of times from 1990 to now among those that have this format."""
    found = TimeFormat(form).read(values)
    seconds = found.seconds[~found.is_bad]
    if not len(seconds):
        return None
    is_likely = (seconds >= FIRST_LIKELY) & (seconds <= now + SECONDS_A_DAY)
    return float(np.count_nonzero(is_likely)) / len(seconds)


def _unit_of(number: float) -> str:
    return next((unit for limit, unit in _LIMITS if number < limit), "nanoseconds")


def _is_compact_date(texts: pa.Array) -> bool:
    """Return whether numbers are dates such as 20050906, perhaps with a time of day at once."""
    for form, size in (("%Y%m%d", 8), ("%Y%m%d%H%M%S", 14)):
        lengths = pc.utf8_length(texts).to_numpy(zero_copy_only=False)
        if (lengths == size).mean() >= 0.9 and _share(texts, form) >= 0.9:
            return True
    return False


def _share(texts: pa.Array, form: str) -> float:
    return 1 - float(TimeFormat(form).read(texts).is_bad.mean())


def _swapped(form: str) -> str:
    return form.translate(str.maketrans("dm", "md"))
