"""Compiled loops that order the rows of an epoch and of a batch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recspark.arrays.compiled import compiled, prefetch

Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]

AHEAD = 16
"""Places in the order from which on rows are asked for."""
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
    rows: Ints,
    users: Ints,
    movies: Ints,
    bits: Ints,
) -> None:
    """Copy a bucket's rows of some steps to where each step's rows go.

    Args:
        order: [rows of the bucket], its order.
        starts: [steps + 1], where each step starts in the order.
        into: [steps], where its rows go.
        rows: [rows of the bucket, 3], see `Ratings.packed`.
        users: Column to fill, as the next two.
        movies: Column.
        bits: Column.
    """
    flat = rows.reshape(-1)
    for step in range(len(into)):
        to = into[step]
        for place in range(starts[step], starts[step + 1]):
            if place + AHEAD < len(order):
                prefetch(flat, 3 * np.intp(order[place + AHEAD]))
            row = 3 * np.intp(order[place])
            users[to] = flat[row]
            movies[to] = flat[row + 1]
            bits[to] = flat[row + 2]
            to += 1


@compiled
def order_by_row(rows: Ints, num_rows: int) -> Ints:
    """Return the places of a batch by ascending `rows`, [B]; a stable radix sort.

    Args:
        rows: [B], rows of a table, each below `num_rows`.
        num_rows: R.
    """
    bits = 1
    while (1 << (2 * bits)) < num_rows:
        bits += 1
    low = (1 << bits) - 1
    starts = np.zeros((2, 1 << bits), np.int64)
    for place in range(len(rows)):
        starts[0, rows[place] & low] += 1
        starts[1, rows[place] >> bits] += 1
    for digit in range(2):
        total = 0
        for value in range(1 << bits):
            count = starts[digit, value]
            starts[digit, value] = total
            total += count
    by_low = np.empty(len(rows), np.int32)
    for place in range(len(rows)):
        value = rows[place] & low
        by_low[starts[0, value]] = place
        starts[0, value] += 1
    order = np.empty(len(rows), np.int32)
    for number in range(len(rows)):
        place = int(by_low[number])
        value = rows[place] >> bits
        order[starts[1, value]] = place
        starts[1, value] += 1
    return order


@compiled
def cut(rows: Ints, num_parts: int) -> npt.NDArray[np.int64]:
    """Return where to cut a batch [B] into parts of similar length, [num_parts + 1].

    No row is in two parts, so threads can take one each. This needs places before which all rows
    are lower than after, as a feed has between buckets; without any, one part holds everything.
    """
    size = len(rows)
    lowest = np.empty(size, np.int32)  # from each place on
    for place in range(size - 1, -1, -1):
        lowest[place] = rows[place]
        if place + 1 < size:
            lowest[place] = min(lowest[place], lowest[place + 1])
    cuts = np.full(num_parts + 1, size, np.int64)
    cuts[0] = 0
    part, highest = 1, np.int32(-1)
    for place in range(size):
        while part < num_parts and place >= size * part // num_parts and highest < lowest[place]:
            cuts[part] = place
            part += 1
        highest = max(highest, rows[place])
    return cuts
