"""The sampler: Geweke's joint distribution test, and what it draws for its own numbers.

Geweke (2004): draws of parameters and data from the model itself, and a chain that alternates a
sweep of the sampler with new data given the parameters, have the same distribution.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from recspark.arrays.ratings import SECONDS_PER_YEAR
from recspark.training.feature_prior import FeaturePrior
from recspark.training.gibbs import (
    LOG_SHAPE,
    Sampler,
    Side,
    draw_shape,
)
from recspark.training.row_solver import RowPrior, RowSolver
from recspark.training.row_table import RowTable
from recspark.training.side_prior import Features, sum_gram, sum_rows
from tests.training.row_data import alone, make_tables

FACTORS = 1
PAIRS = np.array([(u, m) for u in range(4) for m in range(3) if (u, m) not in ((0, 1), (3, 2))])


class Fixed(FeaturePrior):
    """A prior of rows that does not change."""

    def __init__(self, size: int) -> None:
        self.prior = RowPrior(np.eye(size) * 2, np.zeros(size), np.full((1, size), 0.2))

    def draw(self, table: RowTable, rng: np.random.Generator, solver: RowSolver) -> RowPrior:
        return self.prior


def make_sampler(user_noise: bool, movie_noise: bool, has_drift: bool) -> Sampler:
    rng = np.random.default_rng(0)
    years = rng.random(len(PAIRS)) * 3
    tables = make_tables(
        *(PAIRS[:, 0], PAIRS[:, 1], np.zeros(len(PAIRS))),
        times=years * SECONDS_PER_YEAR if has_drift else None,
        num_users=4,
        num_movies=3,
        num_factors=FACTORS,
    )
    prior = Fixed(tables[0].num_columns)
    sides = (
        Side("users", tables[0], prior, user_noise),
        Side("movies", tables[1], prior, movie_noise),
    )
    return Sampler(*sides, alone(), seed=4)


def draw_parameters(sampler: Sampler, rng: np.random.Generator) -> None:
    """Draw all parameters from their priors."""
    numbers = sampler.numbers
    numbers.mean, numbers.alpha = rng.standard_normal(), rng.gamma(1.0)
    shapes = np.exp(LOG_SHAPE[0] + LOG_SHAPE[1] * rng.standard_normal(2))
    for side, shape in zip((sampler.users, sampler.movies), shapes, strict=True):
        size = side.table.num_columns
        rows = 0.2 + rng.standard_normal(side.table.rows.shape) / math.sqrt(2)
        side.table.rows[:] = rows.reshape(-1, size)
        if side.has_noise:
            side.table.weights[:] = rng.gamma(shape, 1 / shape, len(side.table.weights))
    if sampler.users.has_noise:
        numbers.user_shape = shapes[0]
    if sampler.movies.has_noise:
        numbers.movie_shape = shapes[1]


def expected_ratings(sampler: Sampler) -> tuple[np.ndarray, np.ndarray]:
    """Return (expected ratings, weights) in the order of the users' ratings, each [N]."""
    users, movies = sampler.users.table, sampler.movies.table
    p = np.repeat(users.values, users.counts, axis=0).astype(float)
    q = movies.values[users.others].astype(float)
    ratings = sampler.numbers.mean + p[:, 0] * q[:, 0] + p[:, 1] + q[:, 1]
    if users.has_drift:
        years = users.times / SECONDS_PER_YEAR
        ratings += p[:, 2] * (years - p[:, 3]) + q[:, 2] * (years - q[:, 3])
    return ratings, p[:, 4] * q[:, 4]


def draw_ratings(sampler: Sampler, rng: np.random.Generator) -> None:
    """Draw all ratings given the parameters."""
    users, movies = sampler.users.table, sampler.movies.table
    expected, weights = expected_ratings(sampler)
    noise = rng.standard_normal(len(expected)) / np.sqrt(sampler.numbers.alpha * weights)
    users.ratings[:] = expected + noise
    owners = np.repeat(np.arange(len(users.counts)), users.counts)
    by_pair = np.lexsort((owners, users.others))  # movies list their users ascending
    movies.ratings[:] = users.ratings[by_pair]


def statistics(sampler: Sampler) -> list[float]:
    users, movies, numbers = sampler.users.table, sampler.movies.table, sampler.numbers
    p, q = users.rows.astype(float), movies.rows.astype(float)
    ratings = users.ratings.astype(float)
    expected, weights = expected_ratings(sampler)
    errors = np.sqrt(numbers.alpha * weights) * (ratings - expected)  # standard normal
    found = [
        *(errors.mean(), errors.mean() ** 2, errors @ errors, (errors @ errors) ** 2),
        *(numbers.mean, numbers.mean**2, math.log(numbers.alpha)),
        *(p[:, 0].mean(), p[:, 0] @ p[:, 0], p[:, 1].mean(), p[:, 1] @ p[:, 1]),
        *(q[:, 0].mean(), q[:, 0] @ q[:, 0], q[:, 1].mean(), q[:, 1] @ q[:, 1]),
        *(p[0, 0] * q[0, 0], p[0, 0] * p[1, 0], p[0, 1] * q[0, 1], numbers.mean * p[0, 1]),
        *(math.tanh(ratings.mean() / 3), math.log(1 + ratings @ ratings)),
        *(math.tanh(ratings[0] * p[0, 1]), math.tanh(ratings[0] * ratings[1])),
    ]
    if users.has_drift:
        found += [p[:, 2].mean(), p[:, 2] @ p[:, 2], q[:, 2].mean(), q[:, 2] @ q[:, 2]]
    for side, shape in (
        (sampler.users, numbers.user_shape),
        (sampler.movies, numbers.movie_shape),
    ):
        if side.has_noise:
            logs = np.log(side.table.weights.astype(float))
            found += [math.log(shape), math.log(shape) ** 2, logs[0], logs.mean(), logs @ logs]
            found += [logs.mean() * math.log(shape), logs.mean() * math.log(numbers.alpha)]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("has_drift", [False, True])
@pytest.mark.parametrize("noise", [(False, False), (True, False), (False, True), (True, True)])
def test_sweeps_keep_the_joint_distribution(noise: tuple[bool, bool], has_drift: bool) -> None:
    sampler, rng = make_sampler(*noise, has_drift), np.random.default_rng(11)
    count = 20_000
    expected = []
    for _ in range(count):
        draw_parameters(sampler, rng)
        draw_ratings(sampler, rng)
        expected.append(statistics(sampler))
    found = []
    for number in range(count):
        sampler.sweep(number)
        found.append(statistics(sampler))  # before new ratings, so that errors count too
        draw_ratings(sampler, rng)
    independent, chain = np.array(expected), np.array(found)
    batches = chain.reshape(50, -1, chain.shape[1]).mean(axis=1)
    variance = independent.var(axis=0) / count + batches.var(axis=0, ddof=1) / len(batches)
    z = (chain.mean(axis=0) - independent.mean(axis=0)) / np.sqrt(variance)
    print(np.round(z, 1))
    # Up to 41 correlated statistics, batch means of 50: beyond 4.5 once in some 500 tests.
    assert np.abs(z).max() < 4.5


def test_the_shape_follows_its_density() -> None:
    rng = np.random.default_rng(6)
    weights = rng.gamma(3.0, 1 / 3.0, size=12)
    sums = len(weights), np.log(weights).sum(), weights.sum()
    chain, shape = [], 8.0
    for _ in range(4000):
        shape = draw_shape(shape, *sums, rng)
        chain.append(math.log(shape))
    grid = np.linspace(-3, 6, 2000)
    logs = np.array(
        [
            sum(
                math.exp(x) * x - math.lgamma(math.exp(x)) + (math.exp(x) - 1) * math.log(w)
                - math.exp(x) * w
                for w in weights
            )
            - (x - math.log(8)) ** 2 / 2
            for x in grid
        ]
    )  # fmt: skip
    density = np.exp(logs - logs.max())
    density /= density.sum()
    mean = density @ grid
    assert np.mean(chain) == pytest.approx(mean, abs=0.03)
    assert np.std(chain) == pytest.approx(math.sqrt(density @ (grid - mean) ** 2), rel=0.05)


def test_rows_without_ratings_take_no_part_in_the_prior() -> None:
    users, _ = make_tables(
        *(np.array([0, 2, 2]), np.array([0, 0, 1]), np.ones(3)),
        num_users=4,
        num_movies=2,
        num_factors=1,
    )
    users.rows[:] = [[1, 2], [100, 100], [3, 5], [100, 100]]
    features = Features(np.empty((4, 0), np.float32), np.empty(0, np.int64), users.counts > 0)
    solver, prior = alone(2), FeaturePrior(features, 2)
    gram = sum_gram(features, lambda values: values)
    found = sum_rows(features, gram, users.rows, lambda values: values, solver.threads)
    assert found.gram.tolist() == [[2]]
    assert found.cross.tolist() == [[4, 7]]
    assert found.squares.tolist() == [[10, 17], [17, 29]]
    drawn = prior.draw(users, np.random.default_rng(1), solver)
    assert drawn.means.shape == (1, 2)
    assert drawn.precision.shape == (2, 2)
