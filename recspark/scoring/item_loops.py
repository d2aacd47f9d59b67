"""Compiled loops that score movies from histories: a sparse history times the weights of movies.

Shape legend: U users, N weights of their movies, M movies, C candidates.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recspark.arrays.compiled import compiled

Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

# Columns of the weights that a pass over the users reads: a user's part of the scores stays in the
# first cache, and that of the movies rated most in the last one.
_TILE = 2048


@compiled
def fill_dense(
    starts: Longs,
    movies: Ints,
    values: Floats,
    weights: Floats,
    candidates: Ints,
    nothing: float,
    into: Floats,
) -> None:
    """Fill the scores of candidates, [C, U].

    Eight rows of the weights are added at a time: a sum is loaded and stored once for eight.

    Args:
        starts: [U + 1], where each user's movies begin.
        movies: [N].
        values: [N], weights of the user's ratings.
        weights: [M, M].
        candidates: [C], ascending.
        nothing: What stands for 0, where no movie of a user has a weight.
        into: Filled.
    """
    sums = np.empty(_TILE, np.float32)
    begin = 0
    while begin < len(candidates):
        left = candidates[begin]
        end = begin
        while end < len(candidates) and candidates[end] < left + _TILE:
            end += 1
        width = candidates[end - 1] + 1 - left
        for user in range(len(starts) - 1):
            place, stop = starts[user], starts[user + 1]
            for column in range(width):
                sums[column] = 0
            while place + 8 <= stop:
                v0, v1, v2, v3 = (
                    values[place],
                    values[place + 1],
                    values[place + 2],
                    values[place + 3],
                )
                v4, v5, v6, v7 = (
                    values[place + 4],
                    values[place + 5],
                    values[place + 6],
                    values[place + 7],
                )
                r0 = weights[movies[place], left : left + width]
                r1 = weights[movies[place + 1], left : left + width]
                r2 = weights[movies[place + 2], left : left + width]
                r3 = weights[movies[place + 3], left : left + width]
                r4 = weights[movies[place + 4], left : left + width]
                r5 = weights[movies[place + 5], left : left + width]
                r6 = weights[movies[place + 6], left : left + width]
                r7 = weights[movies[place + 7], left : left + width]
                for column in range(width):
                    sums[column] += (
                        v0 * r0[column]
                        + v1 * r1[column]
                        + v2 * r2[column]
                        + v3 * r3[column]
                        + v4 * r4[column]
                        + v5 * r5[column]
                        + v6 * r6[column]
                        + v7 * r7[column]
                    )
                place += 8
            while place < stop:
                value = values[place]
                row = weights[movies[place], left : left + width]
                for column in range(width):
                    sums[column] += value * row[column]
                place += 1
            for number in range(begin, end):
                score = sums[candidates[number] - left]
                into[number, user] = score if score != 0 else nothing
        begin = end


@compiled
def fill_sparse(
    starts: Longs,
    movies: Ints,
    values: Floats,
    row_starts: Longs,
    columns: Ints,
    weights: Floats,
    num_movies: int,
    candidates: Ints,
    nothing: float,
    into: Floats,
) -> None:
    """Fill the same from sparse weights: row i begins at row_starts[i], [M + 1]."""
    sums = np.zeros(num_movies, np.float32)
    for user in range(len(starts) - 1):
        for place in range(starts[user], starts[user + 1]):
            movie = movies[place]
            value = values[place]
            for number in range(row_starts[movie], row_starts[movie + 1]):
                sums[columns[number]] += value * weights[number]
        for number in range(len(candidates)):
            score = sums[candidates[number]]
            into[number, user] = score if score != 0 else nothing
        for place in range(starts[user], starts[user + 1]):
            movie = movies[place]
            for number in range(row_starts[movie], row_starts[movie + 1]):
                sums[columns[number]] = 0


@compiled
def contribute_dense(
    weights: Floats, movies: Ints, values: Floats, targets: Ints, into: Floats
) -> None:
    """Fill value · weight of each movie [N] for its target [N]; `weights` is [M, M]."""
    for number in range(len(movies)):
        into[number] = values[number] * weights[movies[number], targets[number]]


@compiled
def contribute_sparse(
    row_starts: Longs,
    columns: Ints,
    weights: Floats,
    movies: Ints,
    values: Floats,
    targets: Ints,
    into: Floats,
) -> None:
    """Fill the same from sparse weights, whose columns ascend within a row."""
    for number in range(len(movies)):
        low, high = row_starts[movies[number]], row_starts[movies[number] + 1]
        end = high
        while low < high:
            middle = (low + high) // 2
            if columns[middle] < targets[number]:
                low = middle + 1
            else:
                high = middle
        into[number] = 0
        if low < end and columns[low] == targets[number]:
            into[number] = values[number] * weights[low]
