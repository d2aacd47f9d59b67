"""Pairs of raw ids in the order of their file, and the settings that name their columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from recspark.arrays.ids import Ids
from recspark.contract import columns as c
from recspark.tables.column_names import MOVIE_IDS, USER_IDS, find_column
from recspark.tables.raw_ids import FINE, NOT_WHOLE, read_ids

Kinds = tuple[bool, bool]
"""Whether user ids are text, and whether movie ids are; otherwise they are whole numbers."""


@dataclass(frozen=True)
class PairColumns:
    """The columns of a file of pairs.

    Attributes:
        user: Name of the user column; None, or the name that recspark itself uses, looks for usual
            names too.
        movie: Name of the movie column.
        settings: The settings that give these names, for messages.
    """

    user: str | None
    movie: str | None
    settings: tuple[str, str]

    def find(self, names: Sequence[str]) -> tuple[int, int] | None:
        """Return the positions of the two columns among a file's, or None."""
        user = find_column(names, _wanted(self.user, c.USER_ID, USER_IDS))
        movie = find_column(names, _wanted(self.movie, c.MOVIE_ID, MOVIE_IDS))
        return None if user is None or movie is None or user == movie else (user, movie)


@dataclass(frozen=True)
class BadRow:
    """A row that is not a pair: its position, from 0, and its text."""

    row: int
    text: str


@dataclass(frozen=True)
class Pairs:
    """Some pairs of a file, in the order of the file."""

    users: Ids
    movies: Ids
    num_lines: int
    """Lines or rows of the file that they were read from."""
    bad: list[BadRow] = field(default_factory=list)
    has_text: Kinds = (False, False)
    """Whether ids that should be whole numbers are not. They mean nothing then: the file is to be
    read again with these ids as text."""


def make_pairs(
    users: pa.Array, movies: pa.Array, kinds: Kinds, rows: Sequence[BadRow], num_lines: int
) -> Pairs:
    """Return the pairs of two columns; a row without a usable id is bad.

    Args:
        users: Ids of any type that `read_ids` takes.
        movies: The same for movies.
        kinds: How to read them.
        rows: The position and text of each row.
        num_lines: Lines of the file that they were read from.
    """
    user, movie = (
        read_ids(one, as_text=kind) for one, kind in zip((users, movies), kinds, strict=True)
    )
    problems = [np.where(one.problems == NOT_WHOLE, FINE, one.problems) for one in (user, movie)]
    is_good = (problems[0] == FINE) & (problems[1] == FINE)
    has_text = [bool((one.problems[is_good] == NOT_WHOLE).any()) for one in (user, movie)]
    bad = [rows[at] for at in np.flatnonzero(~is_good).tolist()]
    good = slice(None) if is_good.all() else is_good
    return Pairs(user.ids[good], movie.ids[good], num_lines, bad, (has_text[0], has_text[1]))


def _wanted(name: str | None, own: str, usual: Sequence[str]) -> Sequence[str]:
    return (own, *usual) if name in (None, own) else [str(name)]
