"""A block Gibbs sampler of matrix factorisation, with noise that differs by user and by movie.

    rating = mean + b_u + c_i + p_u · q_i + slopes over time + error
    error ~ N(0, 1 / (alpha · h_u · g_i)),  h_u ~ Gamma(a, a),  g_i ~ Gamma(a', a')

Ratings are in units of the model's output. A sweep draws the movies given the users and then the
users given the movies; after each half the mean, alpha, that side's weights (h or g) and their
shape a are drawn from the errors that the half left, so that nothing needs another pass over the
ratings. All numbers that are not of a user are drawn the same on every rank.

Priors: mean ~ N(0, 1), alpha ~ Gamma(1, 1), log a ~ N(log 8, 1); rows see `side_prior`. Rows
without ratings take no part in them.

Shape legend: R rows, D columns of a row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recspark.training.feature_prior import FeaturePrior
from recspark.training.row_solver import RowSolver, sum_over
from recspark.training.row_table import Floats, RowTable
from recspark.training.seeds import make_generator
from recspark.training.solve_loops import draw_gammas
from recspark.training.time_process import TimeProcess

Doubles = npt.NDArray[np.float64]

# The prior of log a: its mean and standard deviation.
LOG_SHAPE = math.log(8.0), 1.0
SHAPE_STEPS = 10


@dataclass
class Numbers:
    """The numbers that are drawn once for all ratings.

    Attributes:
        mean: Of all ratings.
        alpha: The precision of a rating whose weights are 1.
        user_shape: a of the users' weights.
        movie_shape: a of the movies' weights.
    """

    mean: float = 0.0
    alpha: float = 1.0
    user_shape: float = 8.0
    movie_shape: float = 8.0


@dataclass(frozen=True)
class Side:
    """Users or movies, and what the sampler draws for them."""

    name: str
    table: RowTable
    prior: FeaturePrior
    has_noise: bool
    """Whether each row has a weight of its own."""


class Sampler:
    """The state of a chain, and its sweeps."""

    def __init__(
        self,
        users: Side,
        movies: Side,
        solver: RowSolver,
        seed: int,
        process: TimeProcess | None = None,
    ) -> None:
        """Start from the rows that the tables hold; `process` is over their ratings."""
        self.users, self.movies, self.numbers = users, movies, Numbers()
        self.process = process
        self._solver, self._seed = solver, seed

    def sweep(self, number: int, centers: Floats | None = None) -> float:
        """Draw everything once.

        Args:
            number: Of the sweep. The same number gives the same random numbers.
            centers: [R, D], filled with the means of the users given everything else, with the mean
                of all ratings, as it was for them, in the bias.

        Returns:
            The mean squared error of all ratings, each with the weight h_u · g_i.
        """
        self._draw(self.movies, self.users, number)
        error = self._draw(self.users, self.movies, number, centers)
        if self.process is not None:
            rng = np.random.default_rng(self._key("process", number))
            key = self._key("paths", number)
            self.process.draw(self.numbers.mean, self.numbers.alpha, number, key, rng)
        return error

    def redraw_paths(self, number: int) -> None:
        """Draw the paths of a finished sweep again, after its state was loaded."""
        if self.process is not None:
            key = self._key("paths", number)
            self.process.draw_paths(self.numbers.mean, self.numbers.alpha, key)

    def _draw(self, side: Side, others: Side, number: int, centers: Floats | None = None) -> float:
        table, numbers, solver = side.table, self.numbers, self._solver
        rng = np.random.default_rng(self._key("numbers", side.name, number))
        prior = side.prior.draw(table, rng, solver)
        errors = solver.solve(
            *(table, others.table, prior),
            mean=numbers.mean,
            scale=numbers.alpha,
            key=self._key("rows", side.name, number),
            centers=centers,
        )
        if centers is not None:
            centers[:, table.num_factors] += np.float32(numbers.mean)
        weights = table.weights.astype(np.float64)
        total, plain, weight = sum_over(table, weights @ errors, solver.group)
        precision = 1 + numbers.alpha * weight
        center = (numbers.alpha * plain - numbers.mean) / precision
        change = center + rng.standard_normal() / math.sqrt(precision)
        numbers.mean += change
        errors[:, 0] += change * (change * errors[:, 2] - 2 * errors[:, 1])
        total += change * (change * weight - 2 * plain)
        count = sum_over(table, np.array([float(table.counts.sum())]), solver.group)[0]
        numbers.alpha = rng.gamma(1 + count / 2) / float(1 + total / 2)
        if side.has_noise:
            self._draw_weights(side, errors[:, 0], number, rng)
        return float(total / weight)

    def _draw_weights(
        self, side: Side, squares: Doubles, number: int, rng: np.random.Generator
    ) -> None:
        """Draw the weights of a side from the squared errors of its rows, and then their shape."""
        table, numbers = side.table, self.numbers
        shape = numbers.user_shape if side is self.users else numbers.movie_shape
        values = np.empty(len(squares), np.float32)
        key = np.uint64(self._key("weights", side.name, number))
        shapes, rates = shape + table.counts / 2, shape + numbers.alpha * squares / 2
        draw_gammas(shapes, rates, key, table.names, values)
        table.weights[:] = values
        mine = values[table.counts > 0].astype(np.float64)
        sums = np.array([len(mine), np.log(mine).sum(), mine.sum()])
        count, logs, total = sum_over(table, sums, self._solver.group)
        shape = draw_shape(shape, count, logs, total, rng)
        if side is self.users:
            numbers.user_shape = shape
        else:
            numbers.movie_shape = shape

    def _key(self, *purpose: str | int) -> int:
        return make_generator(self._seed, *purpose).initial_seed()


def draw_shape(
    shape: float, count: float, logs: float, total: float, rng: np.random.Generator
) -> float:
    """Return the shape a after some Metropolis steps on log a.

    Args:
        shape: The current one.
        count: Number of weights, each from Gamma(a, a).
        logs: Sum of their logarithms.
        total: Their sum.
        rng: Source of the draw.
    """
    center, spread = LOG_SHAPE

    def density(log: float) -> float:
        a = math.exp(log)
        likelihood = count * (a * log - math.lgamma(a)) + (a - 1) * logs - a * total
        return likelihood - ((log - center) / spread) ** 2 / 2

    log = math.log(shape)
    current = density(log)
    step = 2.4 / math.sqrt(count / 2 + 1 / spread**2)
    for _ in range(SHAPE_STEPS):
        proposed = log + step * rng.standard_normal()
        there = density(proposed)
        if math.log(rng.random()) < there - current:
            log, current = proposed, there
    return math.exp(log)
