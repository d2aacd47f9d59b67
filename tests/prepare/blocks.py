"""Hand-made blocks of ratings for the tests of prepare."""

from __future__ import annotations

import numpy as np

from recspark.arrays.ratings import Ratings


def block_of(pairs: list[tuple[int, int]], rating: float = 3.0, day: int = 10) -> Ratings:
    """Return the pairs as a block in which every rating and day is the same."""
    users, movies = (np.array(column, dtype=np.int32) for column in zip(*pairs, strict=True))
    return Ratings(
        users=users,
        movies=movies,
        ratings=np.full(len(pairs), rating, dtype=np.float32),
        days=np.full(len(pairs), day, dtype=np.int32),
    )


def grid(num_users: int, num_movies: int) -> Ratings:
    """Return the block in which every user 0 … rated every movie 0 …."""
    return block_of([(user, movie) for user in range(num_users) for movie in range(num_movies)])
