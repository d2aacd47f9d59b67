"""Compiled loops over the Gram matrix of movies.

Shape legend: U users, N ratings, M movies, R rows that a task sums.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recspark.arrays.compiled import compiled

Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

_TILE = 64


@compiled
def add_products(
    starts: Longs,
    movies: Ints,
    values: Floats,
    first: int,
    step: int,
    is_whole: bool,
    rows: Floats,
) -> None:
    """Add Σ_u x_ui x_uj for every step-th movie i, from `first` on, to `rows` [R, M].

    Row after row, so that the row stays in the processor's cache: the rest of the list of each
    user who rated its movie is added to it.

    Args:
        starts: [U + 1], where each user's ratings begin.
        movies: [N], ascending for each user.
        values: [N], x.
        first: The movie of the first row.
        step: Movies from one row to the next.
        is_whole: Whether to fill whole rows; otherwise only the columns j ≥ i.
        rows: Filled.
    """
    num_rows = len(rows)
    begins = np.zeros(num_rows + 1, np.int64)
    for place in range(len(movies)):
        if movies[place] % step == first:
            begins[movies[place] // step + 1] += 1
    for row in range(num_rows):
        begins[row + 1] += begins[row]
    places = np.empty(begins[num_rows], np.int64)
    users = np.empty(begins[num_rows], np.int32)
    free = begins[:num_rows].copy()
    for user in range(len(starts) - 1):
        for place in range(starts[user], starts[user + 1]):
            if movies[place] % step == first:
                row = movies[place] // step
                places[free[row]] = place
                users[free[row]] = user
                free[row] += 1
    for row in range(num_rows):
        sums = rows[row]
        for number in range(begins[row], begins[row + 1]):
            place, user = places[number], users[number]
            value = values[place]
            begin = starts[user] if is_whole else place
            for other in range(begin, starts[user + 1]):
                sums[movies[other]] += value * values[other]


@compiled
def to_weights(inverse: Floats) -> None:
    """Turn P into B in place: B_ij = −P_ij / P_jj, zero on the diagonal.

    Args:
        inverse: [M, M], P, symmetric; only its columns j ≥ i are read.
    """
    size = len(inverse)
    scale = np.empty(size, np.float32)
    for row in range(size):
        scale[row] = -1 / inverse[row, row]
        inverse[row, row] = 0
    for top in range(0, size, _TILE):  # in tiles: a transposition row by row misses the cache
        for left in range(top, size, _TILE):
            for row in range(top, min(top + _TILE, size)):
                for column in range(max(left, row + 1), min(left + _TILE, size)):
                    value = inverse[row, column]
                    inverse[row, column] = value * scale[column]
                    inverse[column, row] = value * scale[row]


@compiled
def pick_products(near: Ints, first: int, step: int, rows: Floats, into: Floats) -> None:
    """Write the products between the neighbours of movies that a task's rows have, one by one.

    For each movie, and each of its neighbours whose row is here, those with that neighbour and the
    ones after it.

    Args:
        near: [movies, C], the neighbours of each movie, ascending.
        first: The movie of the first row.
        step: Movies from one row to the next.
        rows: [R, M], of every step-th movie, from `first` on; only the columns j ≥ i are read.
        into: [products], filled.
    """
    place = 0
    for movie in range(len(near)):
        for one in range(near.shape[1]):
            if near[movie, one] % step == first:
                row = rows[near[movie, one] // step]
                for other in range(one, near.shape[1]):
                    into[place] = row[near[movie, other]]
                    place += 1


@compiled
def gather_products(products: Floats, places: Longs, near: Ints, into: Doubles) -> None:
    """Write the products between the neighbours of one movie, the columns j ≥ i of row i.

    Args:
        products: What `pick_products` wrote, of task after task.
        places: [tasks], where each task's products of this movie begin; moved to the next movie's.
        near: [C], the neighbours of the movie, ascending.
        into: [C, C], filled in part.
    """
    for one in range(len(near)):
        task = near[one] % len(places)
        for other in range(one, len(near)):
            into[one, other] = products[places[task]]
            places[task] += 1
