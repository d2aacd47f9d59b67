"""What users have rated, user by user."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recspark.arrays.user_buckets import locate, users_of
from recspark.contract import columns as c
from recspark.datasets.signal import Signal
from recspark.datasets.train_buckets import read_bucket


@dataclass(frozen=True)
class Histories:
    """The ratings of some users, of any run or of none: who they are is not said.

    Shape legend: U users, N ratings.

    Attributes:
        starts: int64 [U + 1], where the ratings of each user begin.
        movies: int32 [N], `movie_index`, ascending for each user, each once.
        ratings: float32 [N].
    """

    starts: npt.NDArray[np.int64]
    movies: npt.NDArray[np.int32]
    ratings: npt.NDArray[np.float32]

    @property
    def num_users(self) -> int:
        return len(self.starts) - 1

    @staticmethod
    def group(
        rows: npt.NDArray[np.integer],
        movies: npt.NDArray[np.int32],
        ratings: npt.NDArray[np.float32],
        num_users: int,
    ) -> Histories:
        """Return the histories of ratings in any order.

        Args:
            rows: [N], the user of each rating, below `num_users`.
            movies: [N].
            ratings: [N].
            num_users: U.
        """
        from recspark.arrays.sort_loops import order_cells

        num_movies = int(movies.max(initial=-1)) + 1
        starts, order = order_cells(rows, movies, num_users, num_movies)
        return Histories(starts, movies[order], ratings[order])

    def weigh(self, signal: Signal) -> Histories:
        """Return the weights of the ratings in their place, without those that weigh nothing."""
        weights = signal.weigh(self.ratings)
        return Histories(self.starts, self.movies, weights).keep(weights > 0)

    def keep(self, kept: npt.NDArray[np.bool_]) -> Histories:
        """Return the histories of the same users with some of the ratings, [N]."""
        starts = np.concatenate([[0], np.cumsum(kept)])[self.starts]
        return Histories(starts, self.movies[kept], self.ratings[kept])

    def take(self, rows: npt.NDArray[np.integer]) -> Histories:
        """Return the histories of some of the users, in the order of `rows` [users]."""
        counts = np.diff(self.starts)[rows]
        starts = np.concatenate([[0], np.cumsum(counts)])
        places = np.arange(starts[-1]) + np.repeat(self.starts[rows] - starts[:-1], counts)
        return Histories(starts, self.movies[places], self.ratings[places])


def read_histories(
    paths: Sequence[str], bucket: int, *, num_users: int, num_buckets: int
) -> Histories:
    """Return the histories of a bucket's users, one for each row of the bucket.

    Args:
        paths: Data sets of ratings, bucketed by user: train, and where it is known too, valid.
        bucket: The bucket.
        num_users: Users in the index.
        num_buckets: Buckets of users.
    """
    columns = [c.USER_INDEX, c.MOVIE_INDEX, c.RATING]
    parts = zip(*(read_bucket(path, bucket, columns) for path in paths), strict=True)
    users, movies, ratings = (np.concatenate(part) for part in parts)
    rows = locate(users, num_buckets)[1]
    size = len(users_of(bucket, num_users, num_buckets))
    return Histories.group(rows, movies, ratings.astype(np.float32), size)
