"""The compiled step of matrix factorisation: gradient, L2 and update of each user in one pass.

Shape legend: B rows of a batch, R rows of the user table, M movies, U columns, n parameters.

A step reads and writes each of its users' rows once. As tensor operations it took 45 passes over
them. A thread takes whole users, whose rows nobody else changes, and sums the movies' gradient in
a buffer of its own.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recspark.training.compiled import compiled
from recspark.training.row_loops import AHEAD, Floats, Ints, ask_for, change

Flags = npt.NDArray[np.bool_]


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
            ahead = users[order[place + AHEAD]]
            ask_for(table, ahead)
            ask_for(first, ahead)
            if is_adam:
                ask_for(second, ahead)
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
