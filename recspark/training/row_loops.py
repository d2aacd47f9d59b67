"""Compiled loops over the rows of a table: order by row, and lazy updates in one pass each.

Shape legend: B rows of a batch, R rows of a table, U columns.

Memory limits all of them: a table of users does not fit in the processor's cache, so each of its
rows is asked for some users ahead, and read and written once.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recspark.training.compiled import compiled, inlined, prefetch
from recspark.training.optimisers import BETAS

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]

_FRESH = np.float32(1 - BETAS[1])
AHEAD = 8
"""Places in the batch from which on rows are asked for; 4 to 8 measured best."""
LINE = 16
"""float32 values in a cache line."""


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


@inlined
def ask_for(table: Floats, row: int) -> None:
    """Ask for the cache lines of a row of a table [R, U]."""
    values = table[row]
    for column in range(0, len(values), LINE):
        prefetch(values, column)


@inlined
def change(
    values: Floats,
    first: Floats,
    second: Floats,
    gradient: Floats,
    is_adam: bool,
    rate: np.float32,
    decay: np.float32,
    epsilon: np.float32,
) -> None:
    """Take one step on values [n], in place; `Update` has the formulas.

    `first` and `second` are Adam's mean and square. For SGD `first` is the velocity.
    """
    if is_adam:
        for k in range(len(values)):
            g = gradient[k]
            mean = first[k] + (np.float32(1) - decay) * (g - first[k])
            square = second[k] + _FRESH * (g * g - second[k])
            first[k] = mean
            second[k] = square
            values[k] -= rate * mean / (np.sqrt(square) + epsilon)
    else:
        for k in range(len(values)):
            velocity = decay * first[k] + gradient[k]
            first[k] = velocity
            values[k] -= rate * velocity


@compiled
def sum_squares(rows: Ints, order: Ints, gradients: Floats) -> float:
    """Return the squared norm of the gradient of a table, from those of the batch's rows [B, U]."""
    total = 0.0
    gradient = np.zeros(gradients.shape[1], np.float32)
    place = 0
    while place < len(order):
        place = _gather(rows, order, gradients, place, gradient)
        for k in range(len(gradient)):
            total += gradient[k] * gradient[k]
    return total


@compiled
def update_rows(
    rows: Ints,
    order: Ints,
    gradients: Floats,
    scale: np.float32,
    table: Floats,
    first: Floats,
    second: Floats,
    is_adam: bool,
    rate: np.float32,
    decay: np.float32,
    epsilon: np.float32,
) -> None:
    """Step on the rows of a table that a batch has.

    Args:
        rows: [B], the table's row of each place of the batch.
        order: [B], from `order_by_row`.
        gradients: [B, U], the loss by each place's copy of its row; a row takes the sum.
        scale: Factor on the gradient.
        table: [R, U].
        first: [R, U], see `change`.
        second: [R, U] for Adam.
        is_adam: See `Update`, as the rest.
        rate: Step size.
        decay: Of the mean or the velocity.
        epsilon: Of Adam.
    """
    gradient = np.zeros(gradients.shape[1], np.float32)
    place, end = 0, len(order)
    while place < end:
        row = rows[order[place]]
        if place + AHEAD < end:
            ahead = rows[order[place + AHEAD]]
            ask_for(table, ahead)
            ask_for(first, ahead)
            if is_adam:
                ask_for(second, ahead)
        place = _gather(rows, order, gradients, place, gradient)
        for k in range(len(gradient)):
            gradient[k] *= scale
        two = second[row] if is_adam else first[row]
        change(table[row], first[row], two, gradient, is_adam, rate, decay, epsilon)


@compiled
def _gather(rows: Ints, order: Ints, gradients: Floats, place: int, gradient: Floats) -> int:
    """Sum the gradients of one row's places into `gradient`; return the place after them."""
    row = rows[order[place]]
    gradient[:] = 0
    while place < len(order) and rows[order[place]] == row:
        one = gradients[order[place]]
        for k in range(len(gradient)):
            gradient[k] += one[k]
        place += 1
    return place
