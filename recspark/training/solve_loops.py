"""Compiled loops that solve for rows, or draw them, from the sums of `gram_loops`.

Random numbers are functions of a key, the name of a row and a count, so that a draw does not depend
on threads, ranks or the order of rows. They come from SplitMix64 (Steele, Lea and Flood 2014), with
Box and Muller's normals and Marsaglia and Tsang's gammas (2000).

Shape legend: R rows, D columns of a row, S sums of a row; see `gram_loops`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from recspark.arrays.compiled import compiled, inlined

Longs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_TO_UNIT = 2.0**-53


@inlined
def mix(value: np.uint64) -> np.uint64:
    """Return 64 well mixed bits."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@inlined
def stream_of(key: np.uint64, name: int) -> np.uint64:
    """Return where the random numbers of a row start."""
    return mix(key ^ mix((np.uint64(name) + np.uint64(1)) * _GOLDEN))


@inlined
def uniform(stream: np.uint64, number: int) -> float:
    """Return random number `number` of a stream, above 0 and below 1."""
    bits = mix(stream + (np.uint64(number) + np.uint64(1)) * _GOLDEN)
    unit: Any = np.float64(bits >> np.uint64(11))  # NumPy's hints differ by version
    return (unit + 0.5) * _TO_UNIT


@inlined
def normal(stream: np.uint64, number: int) -> float:
    """Return a standard normal; it uses the numbers 2 · `number` and the next one."""
    radius = math.sqrt(-2 * math.log(uniform(stream, 2 * number)))
    return radius * math.cos(2 * math.pi * uniform(stream, 2 * number + 1))


@compiled
def gamma(shape: float, stream: np.uint64) -> float:
    """Return a draw from Gamma(shape, 1); shape above 0."""
    raised = shape if shape >= 1 else shape + 1
    third = raised - 1 / 3
    slope = 1 / math.sqrt(9 * third)
    number = 0
    while True:
        z = normal(stream, 2 * number)  # uses the numbers 4 n and 4 n + 1
        cube = (1 + slope * z) ** 3
        if cube > 0:
            chance = math.log(uniform(stream, 4 * number + 2))
            if chance < 0.5 * z * z + third * (1 - cube + math.log(cube)):
                break
        number += 1
    value = third * cube
    if shape < 1:
        value *= uniform(stream, 4 * number + 3) ** (1 / shape)
    return value


@compiled
def draw_gammas(
    shapes: Doubles, rates: Doubles, key: np.uint64, names: Longs, values: Floats
) -> None:
    """Fill values [R] with draws from Gamma(shapes, rates), each [R]."""
    for row in range(len(shapes)):
        values[row] = gamma(shapes[row], stream_of(key, names[row])) / rates[row]


@inlined
def solve_transposed(factor: Doubles, side: Doubles) -> None:
    """Overwrite side [D] with the solution x of Lᵀ x = side."""
    for i in range(len(side) - 1, -1, -1):
        side[i] /= factor[i, i]
        for k in range(i):
            side[k] -= factor[i, k] * side[i]


@compiled
def solve_rows(
    sums: Doubles,
    counts: Longs,
    scales: Floats,
    precision: Doubles,
    per_rating: Doubles,
    means: Doubles,
    bias: int,
    is_drawn: bool,
    key: np.uint64,
    names: Longs,
    first: int,
    values: Floats,
    centers: Floats,
    errors: Doubles,
) -> None:
    """Solve for rows `first`, `first` + 1, …, or draw them from their conditional distribution.

    A row has the precision A = precision + count · diag(per_rating) + scale · Σ w v vᵀ, and its
    mean solves A x = precision · mean + scale · Σ w v y.

    Args:
        sums: [rows, S], from `add_grams`.
        counts: [R], ratings of each row.
        scales: [R], what the weights of each row's ratings are multiplied by.
        precision: [D, D], of the prior.
        per_rating: [D], added to the diagonal for each rating.
        means: [R, D] or [1, D], of the prior.
        bias: The column of the bias, where every v is 1.
        is_drawn: Whether to add noise. Without it, a row without ratings gets the prior's mean.
        key: Of the noise.
        names: [R], of the rows, for their noise.
        first: The first row.
        values: [R, at least D]; the first D columns of the rows are overwritten.
        centers: [R, D], overwritten with the rows' means; of no rows if they are not wanted.
        errors: [R, 3], overwritten: Σ w e², Σ w e and Σ w of each row, with e the errors that
            remain.
    """
    size = len(precision)
    factor = np.empty((size, size))
    side = np.empty(size)
    for index in range(len(sums)):
        row = first + index
        total, scale = sums[index], scales[row]
        mean = means[min(row, len(means) - 1)]
        if counts[row] == 0 and not is_drawn:
            values[row, :size] = mean
            errors[row] = 0
            continue
        at = size * (size + 1) // 2  # where the sums of the left side begin
        for i in range(size):
            value = scale * total[at + i]
            for j in range(size):
                value += precision[i, j] * mean[j]
            side[i] = value
        place = 0
        for i in range(size):
            for j in range(i + 1):
                value = precision[i, j] + scale * total[place]
                place += 1
                if i == j:
                    value += counts[row] * per_rating[i]
                for k in range(j):
                    value -= factor[i, k] * factor[j, k]
                factor[i, j] = math.sqrt(value) if i == j else value / factor[j, j]
        for i in range(size):  # L a = right side
            value = side[i]
            for k in range(i):
                value -= factor[i, k] * side[k]
            side[i] = value / factor[i, i]
        if len(centers) > 0:
            center = side.copy()
            solve_transposed(factor, center)
            for i in range(size):
                centers[row, i] = center[i]
        if is_drawn:
            stream = stream_of(key, names[row])
            for i in range(size):
                side[i] += normal(stream, i)
        solve_transposed(factor, side)  # Lᵀ x = a + noise
        for i in range(size):
            values[row, i] = side[i]
            side[i] = values[row, i]  # as rounded
        place, squares, plain = 0, total[len(total) - 1], total[at + bias]
        for i in range(size):
            for j in range(i + 1):
                both = side[i] * side[j] * total[place]
                squares += both if i == j else 2 * both
                if i == bias:
                    plain -= side[j] * total[place]
                elif j == bias:
                    plain -= side[i] * total[place]
                place += 1
            squares -= 2 * side[i] * total[at + i]
        errors[row, 0] = max(squares, 0.0)
        errors[row, 1] = plain
        errors[row, 2] = total[bias * (bias + 3) // 2]


@compiled
def fill_normals(spread: float, key: np.uint64, names: Longs, values: Floats) -> None:
    """Fill values [R, columns] with normals of standard deviation `spread`."""
    for row in range(len(values)):
        stream = stream_of(key, names[row])
        for column in range(values.shape[1]):
            values[row, column] = spread * normal(stream, column)


@compiled
def fill_ragged_normals(key: np.uint64, names: Longs, starts: Longs, values: Floats) -> None:
    """Fill values [starts[-1] - starts[0]] with standard normals, row by row.

    Args:
        key: Of the draw.
        names: [R], of the rows.
        starts: [R + 1], where each row's values begin, shifted by the first.
        values: Overwritten.
    """
    for row in range(len(names)):
        stream = stream_of(key, names[row])
        for place in range(starts[row], starts[row + 1]):
            values[place - starts[0]] = normal(stream, place - starts[row])
