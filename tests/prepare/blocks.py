"""Hand-made blocks of ratings for the tests of prepare."""

from __future__ import annotations

import numpy as np

from recspark.arrays.ids import id_keys
from recspark.arrays.ratings import Ratings
from recspark.prepare.bucket_rows import BucketRows


def block_of(pairs: list[tuple[int, int]], rating: float = 3.0, time: int = 864_000) -> Ratings:
    """Return the pairs as a block in which every rating and time is the same."""
    users, movies = (np.array(column, dtype=np.int64) for column in zip(*pairs, strict=True))
    return Ratings(
        users=users,
        movies=movies,
        ratings=np.full(len(pairs), rating, dtype=np.float32),
        times=np.full(len(pairs), time, dtype=np.int32),
    )


def grid(num_users: int, num_movies: int) -> Ratings:
    """Return the block in which every user 0 … rated every movie 0 …."""
    return block_of([(user, movie) for user in range(num_users) for movie in range(num_movies)])


def rows_of(block: Ratings) -> BucketRows:
    """Return a block as the rows of a bucket, its ids taken for indexes as well."""
    users, movies = block.users, block.movies
    assert isinstance(users, np.ndarray)
    assert isinstance(movies, np.ndarray)
    return BucketRows(
        users.astype(np.int32),
        movies.astype(np.int32),
        id_keys(users),
        id_keys(movies),
        block.ratings,
        block.times,
    )
