"""Compiled loops that update rows of a table, in one pass each.

Shape legend: B rows of a batch, R rows of a table, M movies, U columns, n parameters.

Memory limits all of them: a table of users does not fit in the processor's cache, so each of its
rows is asked for some users ahead, and read and written once. As tensor operations a step of matrix
factorisation took 45 passes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recspark.arrays.compiled import compiled, inlined, prefetch
from recspark.training.optimisers import BETAS

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]

_FRESH = np.float32(1 - BETAS[1])
AHEAD = 8
"""Places in the batch from which on rows are asked for; 4 to 8 measured best."""
LINE = 16
"""float32 values in a cache line."""


@inlined
def ask_for_lines(values: Floats) -> None:
    """Ask for the cache lines of one row [U]."""
    for column in range(0, len(values), LINE):
        prefetch(values, column)


@inlined
def ask_for(row: int, table: Floats, first: Floats, second: Floats, is_adam: bool) -> None:
    """Ask for a row of a table [R, U] and of its optimiser state; see `change`."""
    ask_for_lines(table[row])
    ask_for_lines(first[row])
    if is_adam:
        ask_for_lines(second[row])


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
            ask_for(rows[order[place + AHEAD]], table, first, second, is_adam)
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


@compiled
def learn_users(
    users: Ints,
    movies: Ints,
    targets: Floats,
    order: Ints,
    table: Floats,
    first: Floats,
    second: Floats,
    movie_table: Floats,
    movie_gradient: Floats,
    num_factors: int,
    reg: np.float32,
    bias_reg: np.float32,
    weight: np.float32,
    is_adam: bool,
    rate: np.float32,
    decay: np.float32,
    epsilon: np.float32,
    seen_users: Flags,
    seen_movies: Flags,
    sums: npt.NDArray[np.float64],
) -> None:
    """Take the users of a batch one step along their gradient.

    The loss of a row is (b_u + b_m + p · q - target)² + reg (|p|² + |q|²) + bias_reg (b_u² + b_m²);
    without biases, U equals the number of factors.

    Args:
        users: [B], rows of the user table.
        movies: [B].
        targets: [B], what the model should give.
        order: [B], from `order_by_row` by user.
        table: [R, U], changed in place.
        first: [R, U], optimiser state; see `change`.
        second: [R, U] for Adam.
        movie_table: [M, U].
        movie_gradient: [M, U]; the gradient of the weighted loss is added.
        num_factors: Columns before the bias.
        reg: L2 weight of a factor.
        bias_reg: L2 weight of a bias.
        weight: Factor on the gradient: 1 / rows of the step, over all ranks.
        is_adam: See `Update`, as the next three.
        rate: Step size.
        decay: Of the mean or the velocity.
        epsilon: Of Adam.
        seen_users: [R]; those of the batch are set.
        seen_movies: [M]; those of the batch are set.
        sums: [2]; squared errors and L2 are added, not weighted.
    """
    size = table.shape[1]
    gradient = np.zeros(size, np.float32)
    two = np.float32(2) * weight
    errors, penalty = np.float64(0), np.float64(0)
    place, end = 0, len(order)
    while place < end:
        user = users[order[place]]
        if place + AHEAD < end:
            ask_for(users[order[place + AHEAD]], table, first, second, is_adam)
        row = table[user]
        seen_users[user] = True
        gradient[:] = 0
        count = 0
        movie_squares = np.float32(0)
        bias_squares = np.float32(0)
        while place < end and users[order[place]] == user:
            at = order[place]
            movie = movies[at]
            seen_movies[movie] = True
            other = movie_table[movie]
            other_gradient = movie_gradient[movie]
            product = np.float32(0)
            squares = np.float32(0)
            for k in range(num_factors):
                product += row[k] * other[k]
                squares += other[k] * other[k]
            movie_squares += squares
            if num_factors < size:
                product += row[num_factors] + other[num_factors]
            error = product - targets[at]
            errors += np.float64(error) * np.float64(error)
            slope = two * error
            shrink = two * reg
            for k in range(num_factors):
                gradient[k] += slope * other[k]
                other_gradient[k] += slope * row[k] + shrink * other[k]
            if num_factors < size:
                bias = other[num_factors]
                bias_squares += bias * bias
                gradient[num_factors] += slope
                other_gradient[num_factors] += slope + two * bias_reg * bias
            count += 1
            place += 1
        shrink = two * reg * np.float32(count)
        user_squares = np.float32(0)
        for k in range(num_factors):
            user_squares += row[k] * row[k]
            gradient[k] += shrink * row[k]
        if num_factors < size:
            bias = row[num_factors]
            bias_squares += np.float32(count) * bias * bias
            gradient[num_factors] += two * bias_reg * np.float32(count) * bias
        penalty += (
            reg * (movie_squares + np.float32(count) * user_squares) + bias_reg * bias_squares
        )
        memory = second[user] if is_adam else first[user]
        change(row, first[user], memory, gradient, is_adam, rate, decay, epsilon)
    sums[0] += errors
    sums[1] += penalty
