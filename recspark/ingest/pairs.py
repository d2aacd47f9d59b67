"""Pairs of raw ids in the order of their file, and the settings that name their columns."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recspark.arrays.ids import Ids
from recspark.arrays.ratings import LAST_TIME, NO_TIME
from recspark.contract import columns as c
from recspark.redact import shown
from recspark.tables.column_names import MOVIE_IDS, USER_IDS, find_column
from recspark.tables.guess_times import settle_time_format
from recspark.tables.rating_scales import as_strings
from recspark.tables.raw_ids import FINE, NOT_WHOLE, read_ids
from recspark.tables.time_formats import TimeFormat, is_date_type

logger = logging.getLogger(__name__)

Kinds = tuple[bool, bool]
"""Whether user ids are text, and whether movie ids are; otherwise they are whole numbers."""


@dataclass(frozen=True)
class TimeSettings:
    """The column that says when pairs are rated.

    Attributes:
        column: Its name.
        form: How times are written: a unit of seconds, a pattern of a date, or `auto`.
        settings: The settings that give the two, for messages.
    """

    column: str
    form: str
    settings: tuple[str, str]

    def settle(self, values: pa.Array, name: str) -> TimeFormat:
        """Return how the times of a file are written.

        Args:
            values: Its first times, of any type.
            name: The file.

        Raises:
            DataError: The form of times is not clear, or another unit than the one set fits.
        """
        time_format, notes = settle_time_format(
            values if is_date_type(values.type) else as_strings(values),
            self.form,
            f"{name}: column {shown(self.column)}",
            now=LAST_TIME,  # a request may be about the future
            setting=self.settings[1],
        )
        for note in notes:
            logger.info("%s", note)
        return time_format


@dataclass(frozen=True)
class PairColumns:
    """The columns of a file of pairs.

    Attributes:
        user: Name of the user column; None, or the name that recspark itself uses, looks for usual
            names too.
        movie: Name of the movie column.
        settings: The settings that give these names, for messages.
        time: The column of times; None if the file has none or they do not matter.
    """

    user: str | None
    movie: str | None
    settings: tuple[str, str]
    time: TimeSettings | None = None

    def find(self, names: Sequence[str]) -> tuple[int, int] | None:
        """Return the positions of the two columns among a file's, or None."""
        user = find_column(names, _wanted(self.user, c.USER_ID, USER_IDS))
        movie = find_column(names, _wanted(self.movie, c.MOVIE_ID, MOVIE_IDS))
        return None if user is None or movie is None or user == movie else (user, movie)

    def find_time(self, names: Sequence[str]) -> int | None:
        """Return the position of the column of times among a file's, or None."""
        return None if self.time is None else find_column(names, [self.time.column])


@dataclass(frozen=True)
class BadRow:
    """A row that is not a pair.

    Attributes:
        row: Its position, from 0.
        text: Its text.
        reason: What is wrong, unless it is the ids.
    """

    row: int
    text: str
    reason: str = ""


@dataclass(frozen=True)
class Pairs:
    """Some pairs of a file, in the order of the file."""

    users: Ids
    movies: Ids
    times: npt.NDArray[np.int32]
    """Seconds since 1970-01-01 UTC; NO_TIME where unknown, or where no column says."""
    num_lines: int
    """Lines or rows of the file that they were read from."""
    bad: list[BadRow] = field(default_factory=list)
    has_text: Kinds = (False, False)
    """Whether ids that should be whole numbers are not. They mean nothing then: the file is to be
    read again with these ids as text."""


def make_pairs(
    columns: Sequence[pa.Array],
    kinds: Kinds,
    time_format: TimeFormat | None,
    rows: Sequence[BadRow],
    num_lines: int,
) -> Pairs:
    """Return the pairs of columns; a row without a usable id, or with a wrong time, is bad.

    Args:
        columns: Users and movies, of any type that `read_ids` takes, and times if there are any.
        kinds: How to read the ids.
        time_format: How to read the times; None if there are none.
        rows: The position and text of each row.
        num_lines: Lines of the file that they were read from.
    """
    user, movie = (
        read_ids(one, as_text=kind) for one, kind in zip(columns[:2], kinds, strict=True)
    )
    problems = [np.where(one.problems == NOT_WHOLE, FINE, one.problems) for one in (user, movie)]
    is_good = has_ids = (problems[0] == FINE) & (problems[1] == FINE)
    times = np.full(len(is_good), NO_TIME, np.int32)
    if time_format is not None:
        found = time_format.read(columns[2])
        times, is_good = found.seconds, has_ids & ~found.is_bad
    has_text = [bool((one.problems[is_good] == NOT_WHOLE).any()) for one in (user, movie)]
    bad = [rows[at] for at in np.flatnonzero(~is_good).tolist()]
    if time_format is not None and bad:
        is_wrong_time = has_ids[~is_good].tolist()
        bad = [
            replace(row, reason=time_format.reason) if wrong else row
            for row, wrong in zip(bad, is_wrong_time, strict=True)
        ]
    good = slice(None) if is_good.all() else is_good
    return Pairs(
        user.ids[good],
        movie.ids[good],
        times[good],
        num_lines,
        bad,
        (has_text[0], has_text[1]),
    )


def _wanted(name: str | None, own: str, usual: Sequence[str]) -> Sequence[str]:
    return (own, *usual) if name in (None, own) else [str(name)]
