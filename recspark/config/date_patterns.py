"""Patterns of dates such as `%d.%m.%Y %H:%M`: which ones are allowed."""

from __future__ import annotations

import re

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
