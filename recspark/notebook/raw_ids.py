"""Raw ids in the forms that Python users pass them, as the ids of a run: whole numbers or text."""

from __future__ import annotations

import numbers
import re
from collections.abc import Iterable
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from recspark.arrays.ids import Ids, TextIds, to_list
from recspark.errors import DataError, describe
from recspark.redact import shown

_WHOLE = re.compile(r"\s*(-?)0*([0-9]{1,19})(?:\.0*)?\s*")
_SMALLEST, _LARGEST = -(2**63), 2**63 - 1
# Whole numbers up to here are exact as floats.
_EXACT = 2**53


def pair_ids(users: Any, movies: Any, *, are_text: tuple[bool, bool]) -> tuple[Ids, Ids]:
    """Return (user ids, movie ids), [pairs] each; a single id is paired with all the others.

    Args:
        users: A list, tuple, range, NumPy array, pandas Series or Arrow array of ids, or one id. A
            whole number is given as an int, a float or text; text only as text.
        movies: The same.
        are_text: Whether the user ids of the run are text, and whether its movie ids are; otherwise
            they are whole numbers of 64 bits.

    Raises:
        DataError: A value is not an id of the run's kind, there is more than one dimension, or the
            lengths differ.
    """
    user_ids = _read("users", users, are_text[0])
    movie_ids = _read("movies", movies, are_text[1])
    if _is_single(users):
        user_ids = user_ids[np.zeros(len(movie_ids), np.intp)]
    elif _is_single(movies):
        movie_ids = movie_ids[np.zeros(len(user_ids), np.intp)]
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


def read_id(name: str, value: Any, *, is_text: bool) -> int | str:
    """Return a single id; a DataError shows a value that is not one."""
    if not _is_single(value):
        _refuse(name, value, "a single id")
    return to_list(_read(name, value, is_text))[0]


def _is_single(values: Any) -> bool:
    if values is None or isinstance(values, (str, bytes, numbers.Number, np.generic)):
        return True
    return bool(getattr(values, "ndim", 1) == 0)


def _read(name: str, values: Any, is_text: bool) -> Ids:
    """Return the ids of one argument."""
    if _is_single(values):
        is_array = not isinstance(values, np.generic) and hasattr(values, "__array__")
        return _read_each(name, [np.asarray(values)[()] if is_array else values], is_text)
    if getattr(values, "ndim", 1) > 1:
        raise _error(name, f"{values.ndim} dimensions", "one: a list or a column of ids")
    if not isinstance(values, Iterable):
        _refuse(name, values, "one or more ids")
    if hasattr(values, "__array__"):  # NumPy, pandas, Arrow
        values = np.asarray(values)
        found = None if is_text else _read_numbers(values)
        if found is not None:
            return found
    return _read_each(name, list(values), is_text)


def _read_numbers(values: npt.NDArray[Any]) -> npt.NDArray[np.int64] | None:
    """Return an array of numbers as ids, or None if one of them may not be an id."""
    if values.dtype.kind == "f":
        is_id = (np.abs(values) <= _EXACT) & (values == np.floor(values))
    elif values.dtype.kind in "iu":
        is_id = values <= _LARGEST
    else:
        return None
    return values.astype(np.int64) if is_id.all() else None


def _read_each(name: str, values: list[Any], is_text: bool) -> Ids:
    found = [_as_text(value) if is_text else _as_number(value) for value in values]
    for position, one in enumerate(found):
        if one is None:
            where = f"{name}[{position}]" if len(values) > 1 else name
            kind = "text" if is_text else "a whole number of 64 bits"
            _refuse(where, values[position], f"an id, which is {kind} in this run")
    return TextIds.of(found) if is_text else np.array(found, np.int64)


def _as_text(value: Any) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _as_number(value: Any) -> int | None:
    if isinstance(value, (bool, np.bool_)):
        return None
    number: int | None = None
    if isinstance(value, str):
        digits = _WHOLE.fullmatch(value)
        number = int(digits[1] + digits[2]) if digits else None
    elif isinstance(value, numbers.Integral):
        number = int(value)
    elif isinstance(value, (float, np.floating)) and float(value).is_integer():
        number = int(value) if abs(float(value)) <= _EXACT else None
    return number if number is not None and _SMALLEST <= number <= _LARGEST else None


def _refuse(where: str, value: Any, expected: str) -> NoReturn:
    raise _error(where, shown(repr(value)), expected)


def _error(where: str, found: str, expected: str) -> DataError:
    remedy = "Correct or remove the values that are not ids."
    return DataError(describe(where, found=found, expected=expected, remedy=remedy))
