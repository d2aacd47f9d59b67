"""Compiled loops over what users and movies leave of the ratings, for the process over time.

Shape legend: R users of the rank, N their ratings, M movies, W columns of a table.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recspark.arrays.compiled import compiled, prefetch
from recspark.arrays.ratings import SECONDS_PER_YEAR
from recspark.training.row_table import LANES

Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

AHEAD = 12
"""Ratings from which on the movie's row is asked for."""


@compiled
def fill_residuals(
    starts: Longs,
    movies: Ints,
    ratings: Floats,
    times: Ints,
    users: Floats,
    table: Floats,
    num_factors: int,
    mean: float,
    scale: float,
    first: int,
    last: int,
    residuals: Floats,
    weights: Floats,
) -> None:
    """Fill what users and movies leave of the ratings of users from `first` to `last`.

    Args:
        starts: [R + 1].
        movies: [N].
        ratings: [N], without any path subtracted.
        times: [N], seconds; empty without drift.
        users: [R, W], see `RowTable.values`.
        table: [M, W], of the movies.
        num_factors: K.
        mean: Of all ratings.
        scale: The precision of a rating of which both weights are 1.
        first: A user.
        last: A user.
        residuals: [their ratings], overwritten.
        weights: [their ratings], overwritten: the precision of each rating.
    """
    flat = table.reshape(-1)
    width = table.shape[1]
    bias, slope, center, noise = num_factors, num_factors + 1, num_factors + 2, num_factors + 3
    begin = starts[first]
    for user in range(first, last):
        mine = users[user]
        constant = np.float32(mean) + mine[bias]
        precision = np.float32(scale) * mine[noise]
        for place in range(starts[user], starts[user + 1]):
            ahead = movies[min(place + AHEAD, len(movies) - 1)] * width
            for line in range(0, width, LANES):
                prefetch(flat, ahead + line)
            row = table[movies[place]]
            output = constant + row[bias]
            for k in range(num_factors):
                output += mine[k] * row[k]
            if len(times) > 0:
                year = times[place] / SECONDS_PER_YEAR
                output += np.float32(mine[slope] * (year - mine[center]))
                output += np.float32(row[slope] * (year - row[center]))
            residuals[place - begin] = ratings[place] - output
            weights[place - begin] = precision * row[noise]


@compiled
def scatter_by_movie(
    user_starts: Longs,
    movies: Ints,
    values: Floats,
    starts: Longs,
    first: int,
    last: int,
    found: Floats,
) -> None:
    """Fill the values of movies from `first` to `last`, in the order of `by_movie`.

    Args:
        user_starts: [R + 1].
        movies: [N], by user.
        values: [N], by user.
        starts: [M + 1], where the ratings of each movie go.
        first: A movie.
        last: A movie.
        found: [N], filled.
    """
    free = starts[first:last].copy()
    for place in range(user_starts[-1]):
        movie = movies[place]
        if first <= movie < last:
            found[free[movie - first]] = values[place]
            free[movie - first] += 1
