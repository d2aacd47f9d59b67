"""Compiled loops that group ratings by user and by movie: counting sorts, which keep the order.

Threads take a range of rows each: all of them read everything, and write only what is theirs.

Shape legend: N ratings, R rows.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recspark.arrays.compiled import compiled

Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]


@compiled
def count_rows(packed: Ints, column: int, counts: Longs) -> None:
    """Add the ratings of each row to counts [R]; `packed` is `Ratings.packed`."""
    for place in range(len(packed)):
        counts[packed[place, column]] += 1


@compiled
def by_user(
    packed: Ints,
    times: Ints,
    starts: Longs,
    first: int,
    stop: int,
    movies: Ints,
    ratings: Floats,
    user_times: Ints,
) -> None:
    """Fill the ratings of users from `first` to `stop`, each in the order of `packed`.

    Args:
        packed: [N, 3], see `Ratings.packed`.
        times: [N], or empty.
        starts: [R + 1], where the ratings of each user go.
        first: A user.
        stop: A user.
        movies: [N], filled, as the next two.
        ratings: [N].
        user_times: [N], or empty.
    """
    bits = ratings.view(np.int32)
    free = starts[first:stop].copy()
    for place in range(len(packed)):
        user = packed[place, 0]
        if first <= user < stop:
            to = free[user - first]
            free[user - first] += 1
            movies[to] = packed[place, 1]
            bits[to] = packed[place, 2]
            if len(times) > 0:
                user_times[to] = times[place]


@compiled
def by_movie(
    user_starts: Longs,
    movies: Ints,
    ratings: Floats,
    times: Ints,
    starts: Longs,
    first: int,
    stop: int,
    users: Ints,
    movie_ratings: Floats,
    movie_times: Ints,
) -> None:
    """Fill the ratings of movies from `first` to `stop`, each with its users ascending.

    Args:
        user_starts: [users + 1], where the ratings of each user begin.
        movies: [N], of the ratings by user.
        ratings: [N], by user.
        times: [N], by user, or empty.
        starts: [R + 1], where the ratings of each movie go.
        first: A movie.
        stop: A movie.
        users: [N], filled, as the next two.
        movie_ratings: [N].
        movie_times: [N], or empty.
    """
    free = starts[first:stop].copy()
    for user in range(len(user_starts) - 1):
        for place in range(user_starts[user], user_starts[user + 1]):
            movie = movies[place]
            if first <= movie < stop:
                to = free[movie - first]
                free[movie - first] += 1
                users[to] = user
                movie_ratings[to] = ratings[place]
                if len(times) > 0:
                    movie_times[to] = times[place]


@compiled
def add_times(starts: Longs, times: Ints, sums: Doubles) -> None:
    """Add the times [N] of each row to sums [R]."""
    for row in range(len(sums)):
        for place in range(starts[row], starts[row + 1]):
            sums[row] += times[place]
