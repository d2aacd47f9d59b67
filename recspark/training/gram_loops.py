"""Compiled loops over the ratings of rows: the sums that the normal equations of a row need.

A row is a user or a movie. Its target is linear in the row: for each of its ratings

    (rating - mean - what belongs to the counterpart alone) = row · v + error,

where v = [factors of the counterpart, 1, years since the row's mean time]; without drift the last
one is missing. With y for the left side and w for the counterpart's weight, the sums are those of
w · [v, y] [v, y]ᵀ. They give the normal matrix, the right side and afterwards the row's squared
error, so that one pass over the ratings is all that a half-sweep needs.

Shape legend: R rows, N ratings, O counterparts, K factors, D columns of a row (K + 1, with drift
K + 2, weighted K), S = (D + 1)(D + 2) / 2 sums of a row: the lower triangle, row by row. Tables are
described in `row_table.py`; W is their width.

In a table that is weighted a rating is itself a weight w, and the row has factors alone:

    1 = row · v + error, with v = the factors of the counterpart.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from recspark.arrays.compiled import compiled, prefetch
from recspark.arrays.ratings import SECONDS_PER_YEAR
from recspark.training.row_table import LANES

Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

# Ratings whose products are added in float32 before they go to float64.
BLOCK = 1024
TOGETHER = 4
"""Ratings whose products are added at a time: the sums are read and written once for them."""
AHEAD = 12
"""Ratings from which on the counterpart's row is asked for."""


def _add_products(
    _: Any, sums: Any, place: Any, left: Any, right: Any, row: Any, column: Any
) -> Any:
    """Add sums over ratings to LANES values at a place of `sums`; all arrays are flat.

    For i below LANES: sums[place + i] += Σ_r left[r, row] · right[r, column + i].
    """

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        total, lefts, rights = (
            context.make_array(signature.args[n])(context, builder, arguments[n]) for n in (0, 2, 3)
        )
        one = ir.FloatType()
        lanes = ir.VectorType(one, LANES)
        into = builder.bitcast(builder.gep(total.data, [arguments[1]]), lanes.as_pointer())
        value = builder.load(into, align=4)
        stride = builder.udiv(lefts.nitems, ir.Constant(lefts.nitems.type, TOGETHER))
        for number in range(TOGETHER):
            start = builder.mul(stride, ir.Constant(stride.type, number))
            factor = builder.load(builder.gep(lefts.data, [builder.add(start, arguments[4])]))
            first = builder.insert_element(
                ir.Constant(lanes, ir.Undefined), factor, ir.Constant(ir.IntType(32), 0)
            )
            spread = builder.shuffle_vector(
                first,
                ir.Constant(lanes, ir.Undefined),
                ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES),
            )
            where = builder.gep(rights.data, [builder.add(start, arguments[5])])
            row = builder.load(builder.bitcast(where, lanes.as_pointer()), align=4)
            product = builder.fmul(spread, row, flags=["contract"])
            value = builder.fadd(value, product, flags=["contract"])
        builder.store(value, into, align=4)
        return context.get_dummy_value()

    size = types.intp
    return types.void(sums, size, left, right, size, size), emit


add_products: Any = intrinsic(_add_products)


@compiled
def add_grams(
    starts: Longs,
    others: Ints,
    ratings: Floats,
    times: Ints,
    table: Floats,
    own_times: Floats,
    num_factors: int,
    mean: float | None,
    first: int,
    sums: Doubles,
) -> None:
    """Fill the sums of rows `first`, `first` + 1, …

    Args:
        starts: [R + 1], where the ratings of each row begin.
        others: [N], rows of `table`.
        ratings: [N], in the units of the model's output.
        times: [N], seconds; empty without drift.
        table: [O, W], the counterparts.
        own_times: [R], the mean time of each row in years; empty without drift.
        num_factors: K.
        mean: Subtracted from each rating; None where ratings are weights, without drift. numba
            compiles the loop for each of both.
        first: The first row.
        sums: [rows, S], overwritten.
    """
    width = table.shape[1]
    has_drift = len(times) > 0
    if mean is None:  # noqa: SIM108 (numba drops one branch)
        num_columns = num_factors
    else:
        num_columns = num_factors + 2 if has_drift else num_factors + 1
    left = np.zeros(TOGETHER * width, np.float32)
    right = np.zeros(TOGETHER * width, np.float32)
    block = np.zeros((num_columns + 1) * width, np.float32)
    flat = table.reshape(-1)
    for row in range(len(sums)):
        sums[row] = 0
        stop = starts[first + row + 1]
        for begin in range(starts[first + row], stop, BLOCK):
            end = min(begin + BLOCK, stop)
            block[:] = 0
            for place in range(begin, end, TOGETHER):
                for number in range(TOGETHER):
                    base = number * width
                    if place + number >= end:
                        left[base : base + width] = 0
                        continue
                    at = place + number
                    ahead = others[min(at + AHEAD, len(others) - 1)] * width
                    for line in range(0, width, LANES):
                        prefetch(flat, ahead + line)
                    other = others[at] * width
                    weight = flat[other + num_factors + 3]
                    for column in range(num_factors):
                        right[base + column] = flat[other + column]
                    right[base + num_factors] = 1  # the target where ratings are weights
                    if mean is None:
                        weight *= ratings[at]
                    else:
                        target = ratings[at] - np.float32(mean) - flat[other + num_factors]
                        if has_drift:
                            year = times[at] / SECONDS_PER_YEAR
                            right[base + num_factors + 1] = year - own_times[first + row]
                            since = np.float32(year - flat[other + num_factors + 2])
                            target -= flat[other + num_factors + 1] * since
                        right[base + num_columns] = target
                    for column in range(num_columns + 1):
                        left[base + column] = weight * right[base + column]
                for column in range(num_columns + 1):
                    for lane in range(0, column + 1, LANES):
                        add_products(block, column * width + lane, left, right, column, lane)
            at = 0
            for column in range(num_columns + 1):
                for lane in range(column + 1):
                    sums[row, at] += block[column * width + lane]
                    at += 1
