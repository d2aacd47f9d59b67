"""Compiled products of the matrix of rated pairs with a few columns.

Shape legend: R users of the rank, N their pairs, M movies, C columns.

A user's movies are read twice in a row, once to add up their rows of the table and once to add the
sum to each of them, so the pairs come from memory once. The tables of the movies with the most
ratings stay in the processor's cache.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recspark.arrays.compiled import compiled, inlined

Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@inlined
def _add_rows(movies: Ints, first: int, last: int, table: Floats, total: Floats) -> None:
    """Set `total` [C] to the sum of the table's rows of the movies at places `first` to `last`."""
    total[:] = 0
    place = first
    while place + 4 <= last:  # four at a time: `total` is read and written a quarter as often
        a, b = table[movies[place]], table[movies[place + 1]]
        c, d = table[movies[place + 2]], table[movies[place + 3]]
        for k in range(len(total)):
            total[k] += (a[k] + b[k]) + (c[k] + d[k])
        place += 4
    while place < last:
        row = table[movies[place]]
        for k in range(len(total)):
            total[k] += row[k]
        place += 1


@compiled
def add_there_and_back(
    starts: Longs,
    movies: Ints,
    first: int,
    last: int,
    more: float,
    table: Floats,
    into: Floats,
) -> None:
    """Add Rᵀ D⁻¹ R · table of some users to `into`.

    D holds each user's number of pairs, plus `more`.

    Args:
        starts: [R + 1], where each user's pairs begin.
        movies: [N], the movie of each pair.
        first: The first of the users.
        last: The one after the last.
        more: Added to each number of pairs.
        table: [M, C].
        into: [M, C].
    """
    total = np.empty(table.shape[1], np.float32)
    for user in range(first, last):
        begin, end = starts[user], starts[user + 1]
        if begin == end:
            continue
        _add_rows(movies, begin, end, table, total)
        share = np.float32(1 / (end - begin + more))
        for k in range(len(total)):
            total[k] *= share
        for place in range(begin, end):
            row = into[movies[place]]
            for k in range(len(total)):
                row[k] += total[k]


@compiled
def sum_rated(
    starts: Longs, movies: Ints, first: int, last: int, table: Floats, into: Floats
) -> None:
    """Set rows of `into` [R, C] to R · table of some users; arguments as above."""
    for user in range(first, last):
        _add_rows(movies, starts[user], starts[user + 1], table, into[user])
