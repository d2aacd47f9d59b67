"""How a user's planted taste pulls him towards movies, so that it decides which of them he rates.

A user is drawn to a movie at the rate (his weight) · exp(pull), with

    pull = choice · taste_u · taste_m - k · |z_u|² / 2

and z the taste in standard units. The second term is there so that taste makes nobody more eager.
Let z_u and z_m be standard normal over the ratings, `a` the factor of z_u · z_m in the pull, and
k² + k = a². The mean of exp(pull) over the users is then a constant times exp(k · |z_m|² / 2). As a
movie's number of ratings is given, its share of users is divided by that, and the mean of the
quotient over the movies is the same for every z_u. Over the ratings, z_u and z_m have the
correlation a / (1 + k) in each dimension. All this holds where few users rate each movie. Where
many do, the correlation is lower, and taste makes people a little less eager.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recspark.synthetic.cells import Cells, build_cells
from recspark.synthetic.planted import Planted, balance, taste_scale

_MOST_CELLS = 2048
_USERS_PER_CELL = 8

Floats32 = NDArray[np.float32]


@dataclass(frozen=True)
class Pull:
    """The pull of N users towards M movies is the product of two vectors of length R."""

    users: Floats32
    """[R, N]"""
    movies: Floats32
    """[R, M]"""
    cells: Cells
    """The users, grouped by `users`."""


def build_pull(planted: Planted, weights: NDArray[np.int32], choice: float) -> Pull:
    """Return the pull of every user towards every movie; `choice` must be above 0."""
    scale = np.float32(taste_scale())
    squares = np.zeros(len(weights), dtype=np.float32)
    for taste in planted.user_taste:
        squares += (taste / scale) ** 2
    cost = squares * np.float32(balance(choice) / 2)
    users = np.vstack([planted.user_taste * np.float32(choice), -cost])
    ones = np.ones((1, planted.movie_taste.shape[1]), dtype=np.float32)
    # What a dimension of `users` is multiplied by: a typical movie's taste, and 1.
    reach = np.append(np.full(len(users) - 1, scale), np.float32(1))
    num_cells = max(1, min(_MOST_CELLS, len(weights) // _USERS_PER_CELL))
    return Pull(
        users=users,
        movies=np.vstack([planted.movie_taste, ones]),
        cells=build_cells(users, weights, reach, num_cells),
    )


def dot(vectors: Floats32, vector: Floats32) -> Floats32:
    """Return the products of the columns of `vectors` [R, n] with `vector` [R]."""
    # Dimension by dimension: a matrix product may sum in another order on another machine.
    total = vectors[0] * vector[0]
    for row, factor in zip(vectors[1:], vector[1:], strict=True):
        total += row * factor
    return total
