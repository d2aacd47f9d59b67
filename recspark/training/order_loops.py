"""The compiled loops of `random_order` and of the feed that follows such orders."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recspark.training.compiled import compiled

Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

_BLOCK = 1024


@compiled
def fill_order(order: Ints, num_bits: int, key: npt.NDArray[np.uint32]) -> None:
    """Fill `order` with the numbers below its length; `order.py` has the function and the key."""
    mask = np.uint32((1 << num_bits) - 1)
    shift = np.uint32((num_bits + 1) // 2)
    mixed = np.empty(_BLOCK, np.uint32)
    count = np.uint32(len(order))
    filled = 0
    for start in range(0, 1 << num_bits, _BLOCK):
        size = min(_BLOCK, (1 << num_bits) - start)
        for k in range(size):
            mixed[k] = np.uint32(start + k)
        for number in range(len(key)):
            flip = key[number, 0] & mask
            multiplier = key[number, 1] & mask
            for k in range(size):
                value = ((mixed[k] ^ flip) * multiplier) & mask
                mixed[k] = value ^ (value >> shift)
        for k in range(size):
            if mixed[k] < count:
                order[filled] = np.int32(mixed[k])
                filled += 1


@compiled
def gather_bucket(
    order: Ints,
    starts: Longs,
    into: Longs,
    first_row: int,
    users: Ints,
    movies: Ints,
    ratings: Floats,
    found_users: Ints,
    found_movies: Ints,
    found_ratings: Floats,
) -> None:
    """Copy a bucket's rows of some steps to where each step's rows go.

    Args:
        order: int32, the order of the bucket's rows.
        starts: int64 [steps + 1], where each step starts in the order.
        into: int64 [steps], where its rows go.
        first_row: Where the bucket starts in the columns.
        users: Column to read, as the next two.
        movies: Column.
        ratings: Column.
        found_users: Column to fill, as the next two.
        found_movies: Column.
        found_ratings: Column.
    """
    for step in range(len(into)):
        to = into[step]
        for place in range(starts[step], starts[step + 1]):
            row = first_row + order[place]
            found_users[to] = users[row]
            found_movies[to] = movies[row]
            found_ratings[to] = ratings[row]
            to += 1
