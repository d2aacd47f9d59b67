"""Columns of user ids, movie ids, ratings and times of any type → ratings, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recspark.arrays.ratings import NO_TIME, Ratings
from recspark.tables.parsed import TEXT_BOTH, TEXT_MOVIE, TEXT_USER
from recspark.tables.rating_scales import Scale
from recspark.tables.raw_ids import FINE, NOT_WHOLE, REASONS, read_ids
from recspark.tables.time_formats import TimeFormat

IdKind = Literal["auto", "whole", "text"]
ROLES = ("user", "movie", "rating", "time")
UNRATED = "not rated"
_USER, _MOVIE = 10, 20  # the codes of their problems begin here
_BAD_RATING, _BAD_TIME, _UNRATED, _TEXT_USER, _TEXT_MOVIE, _TEXT_BOTH = range(30, 36)


@dataclass(frozen=True)
class Rows:
    """Rows in their order.

    Attributes:
        ratings: All rows; those of rows with a problem mean nothing.
        problems: 0 for a rating, otherwise a code that `RowRules.reason` puts in words, uint8.
    """

    ratings: Ratings
    problems: npt.NDArray[np.uint8]

    @property
    def accepted(self) -> Ratings:
        """The rows that are ratings."""
        return self.ratings.where(self.problems == 0)


@dataclass(frozen=True)
class RowRules:
    """How the values of a row are read.

    Attributes:
        user_ids: Whether user ids are whole numbers (`auto`: as long as all of them are) or text.
        movie_ids: The same for movie ids.
        scale: The ratings allowed; None means that there are none: each row is an event, with
            rating 1.
        time_format: How times are written; None means that there are none.
    """

    user_ids: IdKind = "whole"
    movie_ids: IdKind = "whole"
    scale: Scale | None = None
    time_format: TimeFormat | None = None

    def as_text(self, user: bool, movie: bool) -> RowRules:
        """Return the same rules with user or movie ids, or both, read as text."""
        return replace(
            self,
            user_ids="text" if user else self.user_ids,
            movie_ids="text" if movie else self.movie_ids,
        )

    def read(self, columns: dict[str, pa.Array]) -> Rows:
        """Return the rows of columns by role: `user`, `movie`, and `rating` and `time` if any."""
        users = read_ids(columns["user"], as_text=self.user_ids == "text")
        movies = read_ids(columns["movie"], as_text=self.movie_ids == "text")
        num_rows = len(columns["user"])
        problems = np.zeros(num_rows, np.uint8)
        ratings, times = np.ones(num_rows, np.float32), np.full(num_rows, NO_TIME, np.int32)
        if self.time_format is not None:
            found = self.time_format.read(columns["time"])
            times = found.seconds
            problems[found.is_bad] = _BAD_TIME
        if self.scale is not None:
            rated = self.scale.read(columns["rating"])
            with np.errstate(over="ignore"):
                ratings = rated.values.astype(np.float32)
            problems[rated.is_bad] = _BAD_RATING
            problems[rated.is_unrated & (problems == 0)] = _UNRATED
        is_fine = problems == 0
        # A row that is refused anyway does not decide what ids are.
        for kind, start, found_ids in (
            (self.movie_ids, _MOVIE, movies),
            (self.user_ids, _USER, users),
        ):
            wrong = found_ids.problems != FINE
            if kind == "auto":
                wrong &= found_ids.problems != NOT_WHOLE
            if wrong.any():
                problems[wrong] = start + found_ids.problems[wrong].astype(np.uint8)
                is_fine &= ~wrong
        if self.movie_ids == "auto":
            problems[is_fine & (movies.problems == NOT_WHOLE)] = _TEXT_MOVIE
        if self.user_ids == "auto":
            is_text = is_fine & (users.problems == NOT_WHOLE)
            problems[is_text] = np.where(problems[is_text] == 0, _TEXT_USER, _TEXT_BOTH)
        return Rows(Ratings(users.ids, movies.ids, ratings, times), problems)

    def reason(self, problem: int) -> str:
        """Return a problem in words: the reason of a reject, or UNRATED, TEXT_USER and the like."""
        if problem == _BAD_RATING and self.scale is not None:
            return self.scale.reason
        if problem == _BAD_TIME and self.time_format is not None:
            return self.time_format.reason
        if problem in _SPECIAL:
            return _SPECIAL[problem]
        start = _MOVIE if problem >= _MOVIE else _USER
        return REASONS["movie" if start == _MOVIE else "user"][problem - start]


_SPECIAL = {
    _UNRATED: UNRATED,
    _TEXT_USER: TEXT_USER,
    _TEXT_MOVIE: TEXT_MOVIE,
    _TEXT_BOTH: TEXT_BOTH,
}


def collect(rows: Rows, rules: RowRules) -> tuple[Ratings, int, int, dict[int, str]]:
    """Return the ratings, the numbers of unrated and of untimed rows, and the other problems.

    The problems are reasons by position of the row.
    """
    accepted = rows.accepted
    num_unrated = int(np.count_nonzero(rows.problems == _UNRATED))
    num_untimed = 0
    if rules.time_format is not None:
        num_untimed = int(np.count_nonzero(accepted.times == NO_TIME))
    left = np.flatnonzero((rows.problems != 0) & (rows.problems != _UNRATED))
    problems = {int(row): rules.reason(int(rows.problems[row])) for row in left.tolist()}
    return accepted, num_unrated, num_untimed, problems


def fill_constants(columns: dict[str, pa.Array], constants: dict[str, str], num_rows: int) -> None:
    """Add a column with one value for each role that has a constant."""
    zeros = pa.array(np.zeros(num_rows, np.int32))
    for role, value in constants.items():
        columns[role] = pa.DictionaryArray.from_arrays(zeros, pa.array([value], pa.string()))
