"""How a setting says that times are written: a word, or a pattern such as `%d.%m.%Y %H:%M`."""

from __future__ import annotations

import re

from recspark.config.checks import require

_WORDS = ("auto", "date", "seconds", "milliseconds", "microseconds", "nanoseconds")
DIRECTIVES = "YymbBdjaAHIMSfpzZ%"
_SHORTHANDS = {"%T": "%H:%M:%S", "%F": "%Y-%m-%d", "%D": "%m/%d/%y", "%R": "%H:%M", "%e": "%d"}


def expand(pattern: str) -> str:
    """Return a pattern with %T, %F, %D, %R and %e written out."""
    for short, long in _SHORTHANDS.items():
        pattern = pattern.replace(short, long)
    return pattern


def has_date(pattern: str) -> bool:
    """Return whether a pattern names a day: a year with month and day, or with a day of the year.

    Unknown directives, or one that occurs twice, make it no pattern at all.
    """
    letters = re.findall("%(.?)", expand(pattern))
    if set(letters) - set(DIRECTIVES) or len(set(letters)) != len(letters):
        return False
    has_year = len({"Y", "y"} & set(letters)) == 1
    num_months = len({"m", "b", "B"} & set(letters))
    is_month_and_day = num_months == 1 and "d" in letters and "j" not in letters
    is_day_of_year = num_months == 0 and "j" in letters and "d" not in letters
    one_zone = not {"z", "Z"} <= set(letters)
    one_hour = not {"H", "I"} <= set(letters)
    return has_year and (is_month_and_day or is_day_of_year) and one_zone and one_hour


def require_time_format(where: str, form: str) -> None:
    """Require `auto`, `date`, a unit of seconds, or a pattern of a date, in the setting `where`."""
    require(
        form in _WORDS or has_date(form),
        where,
        form,
        f"one of {', '.join(_WORDS)}, or a pattern such as %Y-%m-%d or %d/%m/%y %H:%M "
        "that names year, month and day once each",
    )


def time_pattern(form: str) -> str:
    """Return the value of such a setting with `date` and the like written out as a pattern."""
    return "%Y-%m-%d" if form == "date" else expand(form)
