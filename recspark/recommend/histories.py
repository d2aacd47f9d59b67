"""Histories of users from files, and from what the run knows of them.

Rows are shuffled by user. A user's history is what the run knows of him, train and valid, and the
rows of the files; of two ratings of a movie the newest counts. Users of the run come to a task with
others of their bucket, so that a task reads one bucket.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recspark.arrays.ids import Ids, TextIds, from_arrow, spread_ids
from recspark.arrays.lookup import Lookup
from recspark.arrays.ratings import NO_TIME
from recspark.config import Config
from recspark.contract import columns as c
from recspark.contract.paths import RunPaths
from recspark.datasets.histories import Histories
from recspark.datasets.prepared import PreparedFacts
from recspark.datasets.train_buckets import read_bucket
from recspark.prepare.bucket_rows import BucketRows
from recspark.prepare.repeats import Policy, settle
from recspark.scoring.predictors import Ints

# Rows of the files that a task receives, 40 bytes each, beside one bucket of the run.
PART_ROWS = 1_000_000

_UNTIMED = int(np.iinfo(np.int32).max)  # what is in the files but says no time is the newest


@dataclass(frozen=True)
class HistorySource:
    """What a run knows, and how the rows of files are added; broadcast to tasks."""

    known: tuple[str, ...]
    """Paths of data sets with what users of the run are known to have rated."""
    users: Lookup
    movies: Lookup
    num_buckets: int
    num_parts: int
    """Tasks, a multiple of the buckets."""
    lowest: float
    """Ratings below it are left out, as `prepare.min_rating` says."""
    repeats: Policy
    """What becomes of several ratings of one movie by one user within the files."""

    @staticmethod
    def of(
        config: Config, facts: PreparedFacts, num_ratings: int, *, user_ids: Ids, movie_ids: Ids
    ) -> HistorySource:
        """Return what the run of a config knows, for files with about `num_ratings` rows.

        Args:
            config: The run's config.
            facts: Of its train.
            num_ratings: Rows of the files.
            user_ids: Raw id of each `user_index`.
            movie_ids: Raw id of each `movie_index`.
        """
        paths, settings = RunPaths(config.root), config.prepare
        of_buckets = facts.num_buckets * PART_ROWS
        return HistorySource(
            known=(paths.train, paths.valid),
            users=Lookup.of(user_ids),
            movies=Lookup.of(movie_ids),
            num_buckets=facts.num_buckets,
            num_parts=facts.num_buckets * max(1, -(-num_ratings // of_buckets)),
            lowest=-np.inf if settings.min_rating is None else settings.min_rating,
            repeats=settings.duplicates,
        )

    def choose_parts(self, ids: Ids, users: Ints) -> npt.NDArray[np.int64]:
        """Return the task of each row: users of a bucket come together, others are spread.

        Args:
            ids: Raw user ids.
            users: Their `user_index`, -1 for those unknown to the run.
        """
        return np.where(users < 0, spread_ids(ids, self.num_parts), users % self.num_parts)

    def merge(self, part: int, table: pa.Table) -> Merged:
        """Return the histories of the users of some rows of the files.

        Memory: the rows, and one bucket of the run where some users are of the run.

        Args:
            part: The task's number.
            table: The rows: `user_id`, `user_index`, `movie_index`, `rating` and `rated_at`.
        """
        names = (c.USER_INDEX, c.MOVIE_INDEX, c.RATING, c.RATED_AT)
        index, movies, ratings, times = (table.column(name).to_numpy() for name in names)
        ids, users = _distinct(from_arrow(table.column(c.USER_ID)))
        is_known = movies >= 0
        rows = settle(_rows(users, movies, ratings, times).take(is_known), self.repeats).rows
        of_run = np.full(len(ids), -1, np.int32)
        of_run[users] = index
        if (of_run >= 0).any():
            newest = np.where(rows.times == NO_TIME, _UNTIMED, rows.times)
            known = self._read_known(part, of_run)
            together = [known, replace(rows, times=newest.astype(np.int32))]
            columns = ("users", "movies", "ratings", "times")
            joined = (np.concatenate([getattr(one, name) for one in together]) for name in columns)
            rows = settle(_rows(*joined), "last").rows
        rows = rows.take(rows.ratings >= np.float32(self.lowest))
        return Merged(
            ids=ids,
            histories=Histories.group(rows.users, rows.movies, rows.ratings, len(ids)),
            num_known=int((of_run >= 0).sum()),
            num_unknown_movies=int((~is_known).sum()),
        )

    def _read_known(self, part: int, of_run: npt.NDArray[np.int32]) -> BucketRows:
        """Return what the run knows of users, by their position.

        Args:
            part: The task's number.
            of_run: `user_index` of each user of the task, -1 for those unknown to the run.
        """
        places = np.flatnonzero(of_run >= 0)
        lookup = Lookup.of(of_run[places].astype(np.int64))
        columns = [c.USER_INDEX, c.MOVIE_INDEX, c.RATING, c.RATED_AT]
        found = []
        for path in self.known:
            users, *others = read_bucket(path, part % self.num_buckets, columns)
            place = lookup.find(users)
            wanted = place >= 0
            found.append([places[place[wanted]], *(one[wanted] for one in others)])
        users, movies, ratings, times = (np.concatenate(one) for one in zip(*found, strict=True))
        seconds = np.where(np.isnan(times), NO_TIME, times)  # null where a rating has no time
        return _rows(users, movies, ratings, seconds)


@dataclass(frozen=True)
class Merged:
    """Users of some rows of the files.

    Attributes:
        ids: Raw id of each user, [U].
        histories: What they rated, [U]; movies by index.
        num_known: Users of the run among them.
        num_unknown_movies: Rows whose movie the run does not know; they are left out.
    """

    ids: Ids
    histories: Histories
    num_known: int
    num_unknown_movies: int

    @property
    def num_without_movie(self) -> int:
        """Users with no movie that the run knows."""
        return int((np.diff(self.histories.starts) == 0).sum())


def _rows(
    users: npt.NDArray, movies: npt.NDArray, ratings: npt.NDArray, times: npt.NDArray
) -> BucketRows:
    none = np.zeros(len(users), np.uint64)
    user, movie, time = (one.astype(np.int32) for one in (users, movies, times))
    return BucketRows(user, movie, none, none, ratings.astype(np.float32), time)


def _distinct(ids: Ids) -> tuple[Ids, npt.NDArray[np.int32]]:
    """Return the distinct ids and the position of each id among them."""
    if isinstance(ids, TextIds):
        codes = np.unique(ids.codes, return_inverse=True)
        values = ids.values.take(pa.array(codes[0]))
        of_each = codes[1].reshape(-1).astype(np.int32)
        return TextIds(np.arange(len(values), dtype=np.int32), values), of_each
    values, positions = np.unique(ids, return_inverse=True)
    return values, positions.reshape(-1).astype(np.int32)
