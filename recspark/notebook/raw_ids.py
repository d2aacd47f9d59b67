"""Converts raw ids, in the forms that Python users pass them, to 64-bit numbers."""

from __future__ import annotations

import numbers
import re
from collections.abc import Iterable
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from recspark.errors import DataError, describe

Int64s = npt.NDArray[np.int64]

# Whole numbers of up to 18 digits.
_WHOLE = re.compile(r"^\s*-?[0-9]{1,18}\s*$")
_LIMIT = 10**18


def pair_ids(users: Any, movies: Any) -> tuple[Int64s, Int64s]:
    """Return (user ids, movie ids), int64 [pairs] each; a single id is paired with all the others.

    Args:
        users: A list, tuple, range, NumPy array, pandas Series or Arrow array of ids, or one id.
            An id is a whole number of up to 18 digits, given as an int, a float or text.
        movies: The same.

    Raises:
        DataError: A value is not an id, there is more than one dimension, or the lengths differ.
    """
    user_ids, movie_ids = _read("users", users), _read("movies", movies)
    if _is_single(users):
        user_ids = np.repeat(user_ids, len(movie_ids))
    elif _is_single(movies):
        movie_ids = np.repeat(movie_ids, len(user_ids))
    if len(user_ids) != len(movie_ids):
        raise DataError(
            describe(
                "predict",
                found=f"{len(user_ids):,} users and {len(movie_ids):,} movies",
                expected="equal numbers of both, or a single user or movie",
                remedy="Repeat each user once for every movie to predict.",
            )
        )
    return user_ids, movie_ids


def read_id(name: str, value: Any) -> int:
    """Return a single id; a DataError shows a value that is not one."""
    if not _is_single(value):
        _refuse(name, repr(value), "a single id")
    return int(_read(name, value)[0])


def _is_single(values: Any) -> bool:
    if values is None or isinstance(values, (str, bytes, numbers.Number, np.generic)):
        return True
    return bool(getattr(values, "ndim", 1) == 0)


def _read(name: str, values: Any) -> Int64s:
    """Return the ids of one argument."""
    if _is_single(values):
        is_array = not isinstance(values, np.generic) and hasattr(values, "__array__")
        return _read_each(name, [np.asarray(values)[()] if is_array else values])
    if getattr(values, "ndim", 1) > 1:
        _refuse(name, f"{values.ndim} dimensions", "one: a list or a column of ids")
    if not isinstance(values, Iterable):
        _refuse(name, repr(values), "one or more ids")
    if hasattr(values, "__array__"):  # NumPy, pandas, Arrow
        values = np.asarray(values)
        found = _read_numbers(values)
        if found is not None:
            return found
    return _read_each(name, list(values))


def _read_numbers(values: npt.NDArray[Any]) -> Int64s | None:
    """Return an array of numbers as ids, or None if one of them may not be an id."""
    if values.dtype.kind not in "iuf":
        return None
    is_id = (values > -_LIMIT) & (values < _LIMIT)
    if values.dtype.kind == "f":
        is_id &= values == np.floor(values)
    return values.astype(np.int64) if is_id.all() else None


def _read_each(name: str, values: list[Any]) -> Int64s:
    found = np.empty(len(values), np.int64)
    for position, value in enumerate(values):
        one = _as_id(value)
        if one is None:
            where = f"{name}[{position}]" if len(values) > 1 else name
            _refuse(where, repr(value), "an id: a whole number of up to 18 digits")
        found[position] = one
    return found


def _as_id(value: Any) -> int | None:
    if isinstance(value, (bool, np.bool_)):
        return None
    number = None
    if isinstance(value, str):
        number = int(value) if _WHOLE.match(value) else None
    elif isinstance(value, numbers.Integral) or (
        isinstance(value, (float, np.floating)) and float(value).is_integer()
    ):
        number = int(value)
    return number if number is not None and abs(number) < _LIMIT else None


def _refuse(where: str, found: str, expected: str) -> NoReturn:
    remedy = "Correct or remove the values that are not ids."
    raise DataError(describe(where, found=found, expected=expected, remedy=remedy))
