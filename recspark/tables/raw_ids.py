"""Ids as files write them: whole numbers or text, from a column of any type."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from recspark.arrays.ids import Ids, TextIds
from recspark.tables import parsed as r

# What is wrong with an id, in the order of `REASONS`.
FINE, EMPTY, LONG, CONTROL, GARBLED, NOT_WHOLE = range(6)
REASONS = {
    "user": ("", r.EMPTY_USER, r.LONG_USER, r.CONTROL_USER, r.GARBLED_USER, r.BAD_USER),
    "movie": ("", r.EMPTY_MOVIE, r.LONG_MOVIE, r.CONTROL_MOVIE, r.GARBLED_MOVIE, r.BAD_MOVIE),
}
# What programs write where there is no value.
NO_ID = ("", "NULL", "null", "\\N", "NaN", "nan", "<NA>", "None", "none")
_WHOLE = r"^-?[0-9]+(?:\.0*)?$"
_PLAIN_DIGITS = 18  # as many always fit into 64 bits
_SMALLEST, _LARGEST = -(2**63), 2**63 - 1
_CONTROL = r"[\x00-\x1f\x7f-\x{9f}\x{2028}\x{2029}]"  # as RE2 spells it
_UUID_BYTES = 16


@dataclass(frozen=True)
class IdColumn:
    """Ids, and what is wrong with each: FINE, EMPTY, … NOT_WHOLE, int8 [n].

    The id of a row with a problem means nothing.
    """

    ids: Ids
    problems: npt.NDArray[np.int8]


def is_id_type(kind: pa.DataType) -> bool:
    """Return whether a column of this Arrow type can hold ids."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    kind = getattr(kind, "storage_type", kind)
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or _is_text(kind)
        or pa.types.is_null(kind)
    )


def read_ids(column: pa.Array, *, as_text: bool) -> IdColumn:
    """Return the ids of a column of integers, floats, decimals, text, or UUIDs of 16 bytes.

    Whole numbers are those of 64 bits; 12.0 is 12 too. Text is stripped of surrounding blanks.

    Args:
        column: The values; null is an empty id.
        as_text: Whether to read ids as text. Otherwise all must be whole numbers.
    """
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if pa.types.is_dictionary(column.type) and not _is_text(column.type.value_type):
        column = column.dictionary_decode()
    if pa.types.is_null(column.type):
        column = column.cast(pa.string())
    if pa.types.is_integer(column.type):
        return _of_integers(column, as_text)
    if pa.types.is_floating(column.type):
        return _of_floats(column, as_text)
    if pa.types.is_decimal(column.type):
        texts = column.cast(pa.string())
        column = pc.replace_substring_regex(texts, r"\.0+$", "")
    return _of_text(column, as_text)


def _of_integers(column: pa.Array, as_text: bool) -> IdColumn:
    if as_text:
        return _of_text(column.cast(pa.string()), as_text)
    problems = np.zeros(len(column), np.int8)
    if column.null_count:
        problems[column.is_null().to_numpy(zero_copy_only=False)] = EMPTY
        column = column.fill_null(0)
    values = column.to_numpy(zero_copy_only=False)
    if values.dtype == np.uint64:
        problems[values > _LARGEST] = NOT_WHOLE
    return IdColumn(values.astype(np.int64, copy=False), problems)


def _of_floats(column: pa.Array, as_text: bool) -> IdColumn:
    values = column.to_numpy(zero_copy_only=False).astype(np.float64)
    is_missing = ~np.isfinite(values)
    is_whole = (values == np.floor(values)) & (values >= _SMALLEST) & (values < -float(_SMALLEST))
    whole = np.where(is_whole, values, 0).astype(np.int64)
    if as_text:
        texts = whole.astype(str).astype(object)
        texts[~is_whole] = [repr(value) for value in values[~is_whole].tolist()]
        return _of_text(pa.array(texts, pa.string(), mask=is_missing), as_text)
    problems = np.where(is_missing, EMPTY, np.where(is_whole, FINE, NOT_WHOLE))
    return IdColumn(whole, problems.astype(np.int8))


def _of_text(column: pa.Array, as_text: bool) -> IdColumn:
    """Return the ids of a column of text; only its distinct values are looked at."""
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    is_null = coded.is_null().to_numpy(zero_copy_only=False)
    codes = coded.indices.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int32, copy=False)
    if not len(coded.dictionary):
        nothing = pa.array([], pa.string())
        ids: Ids = TextIds(codes, nothing) if as_text else np.zeros(len(codes), np.int64)
        return IdColumn(ids, np.full(len(codes), EMPTY, np.int8))
    values, found = _distinct_texts(coded.dictionary)
    if as_text:
        found = np.where(found == FINE, _text_problems(values), found)
        positions = values.dictionary_encode()  # stripped, two values may have become one
        renamed = positions.indices.to_numpy(zero_copy_only=False).astype(np.int32, copy=False)
        ids = TextIds(renamed[codes], positions.dictionary)
    else:
        numbers, is_whole = _whole_numbers(values)
        found = np.where((found == FINE) & ~is_whole, NOT_WHOLE, found)
        ids = numbers[codes]
    problems = found.astype(np.int8)[codes]
    problems[is_null] = EMPTY
    return IdColumn(ids, problems)


def _distinct_texts(values: pa.Array) -> tuple[pa.StringArray, npt.NDArray[np.int8]]:
    """Return values as stripped text, and which of them are FINE, EMPTY or GARBLED."""
    values = getattr(values, "storage", values)
    garbled = np.zeros(len(values), bool)
    if pa.types.is_fixed_size_binary(values.type) and values.type.byte_width == _UUID_BYTES:
        texts = [one and str(uuid.UUID(bytes=one)) for one in values.to_pylist()]
        values = pa.array(texts, pa.string())
    elif not pa.types.is_string(values.type):
        try:
            values = values.cast(pa.string())
        except pa.ArrowInvalid:
            decoded = [_decode(one) for one in values.to_pylist()]
            garbled = np.array([one is None for one in decoded])
            values = pa.array([one or "" for one in decoded], pa.string())
    values = pc.utf8_trim_whitespace(values.fill_null(""))
    is_empty = pc.is_in(values, pa.array(NO_ID, pa.string())).to_numpy(zero_copy_only=False)
    found = np.where(garbled, GARBLED, np.where(is_empty, EMPTY, FINE))
    return values, found.astype(np.int8)


def _text_problems(values: pa.StringArray) -> npt.NDArray[np.int8]:
    is_long = pc.greater(pc.utf8_length(values), r.MAX_ID_LENGTH).to_numpy(zero_copy_only=False)
    has_control = pc.match_substring_regex(values, _CONTROL).to_numpy(zero_copy_only=False)
    return np.where(is_long, LONG, np.where(has_control, CONTROL, FINE)).astype(np.int8)


def _whole_numbers(
    values: pa.StringArray,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Return the whole numbers that texts name, and which texts name one."""
    is_whole = pc.match_substring_regex(values, _WHOLE).to_numpy(zero_copy_only=False).copy()
    digits = pc.replace_substring_regex(values, r"^(-?)0*([0-9]+)(?:\.0*)?$", r"\1\2")
    is_long = pc.greater(pc.binary_length(digits), _PLAIN_DIGITS).to_numpy(zero_copy_only=False)
    is_plain = is_whole & ~is_long
    plain = pc.if_else(pa.array(is_plain), digits, "0")
    numbers = plain.cast(pa.int64()).to_numpy(zero_copy_only=False).copy()
    for position in np.flatnonzero(is_whole & is_long).tolist():
        text = digits[position].as_py()
        # Far too long a number is refused unread: Python limits the digits that it converts.
        value = int(text) if len(text) <= _PLAIN_DIGITS + 2 else _LARGEST + 1
        if _SMALLEST <= value <= _LARGEST:
            numbers[position] = value
        else:
            is_whole[position] = False
    return numbers, is_whole


def _decode(value: bytes | None) -> str | None:
    try:
        return (value or b"").decode()
    except UnicodeDecodeError:
        return None


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
    )
