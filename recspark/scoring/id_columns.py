"""Columns of raw ids, whatever their type in the file, as 64-bit numbers."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from recspark.arrays.lookup import Lookup
from recspark.contract import columns as c
from recspark.errors import DataError, describe
from recspark.text.lines import MAX_ID

# An id that is not in the index is only unknown, so any 64-bit number is accepted.
WHOLE = r"^\s*-?[0-9]{1,18}\s*$"


PAIRS = pa.schema([(c.POSITION, pa.int64()), (c.USER_ID, pa.int64()), (c.MOVIE_ID, pa.int64())])


@dataclass(frozen=True)
class BadRow:
    """A row that is not a pair: its position, from 0, and its text."""

    row: int
    text: str


@dataclass(frozen=True)
class Pairs:
    """Some pairs of a file, in the order of the file."""

    users: pa.Int64Array
    movies: pa.Int64Array
    num_lines: int
    """Lines or rows of the file that they were read from."""
    bad: list[BadRow] = field(default_factory=list)


def read_ids(users: pa.Array, movies: pa.Array) -> Pairs:
    """Return the pairs of two columns; an id is a whole number, or text that writes one.

    Raises:
        DataError: A column has another type.
    """
    is_good = np.ones(len(users), bool)
    for column in (users, movies):
        if pa.types.is_integer(column.type):
            is_good &= column.is_valid().to_numpy(zero_copy_only=False)
        elif pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            matches = pc.fill_null(pc.match_substring_regex(column, WHOLE), False)
            is_good &= matches.to_numpy(zero_copy_only=False)
        else:
            raise DataError(
                describe(
                    "score_pairs",
                    found=f"a column of {column.type} for ids",
                    expected="whole numbers",
                    remedy="Convert it, or name another with score_pairs.user_column and "
                    ".movie_column.",
                )
            )
    bad = [
        BadRow(int(row), f"{users[row].as_py()},{movies[row].as_py()}")
        for row in np.flatnonzero(~is_good)
    ]
    found = []
    for column in (users, movies):
        good = column.filter(pa.array(is_good))
        if not pa.types.is_integer(good.type):
            good = pc.utf8_trim_whitespace(good)
        found.append(good.cast(pa.int64()))
    return Pairs(found[0], found[1], num_lines=len(users), bad=bad)


def find_indexes(lookup: Lookup, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    """Return the index of each raw id, int32 [ids]; -1 for an unknown id."""
    is_possible = (ids > 0) & (ids <= MAX_ID)
    return np.where(is_possible, lookup.find(np.where(is_possible, ids, 1)), np.int32(-1))
