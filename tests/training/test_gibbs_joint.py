"""Geweke's joint distribution test of all blocks of the sampler together; see test_gibbs.py.

On here: noise per user and movie, priors with features, slopes over the years, and the process over
time. Priors have heavy tails, so all statistics are bounded or logarithms.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from recspark.arrays.ratings import SECONDS_PER_YEAR
from recspark.training.feature_prior import FeaturePrior
from recspark.training.gibbs import LOG_SHAPE, Sampler, Side
from recspark.training.side_prior import Features, PriorDraw
from recspark.training.time_process import PRIOR_CENTERS, PRIOR_SPREADS, TimeProcess
from tests.training.row_data import alone, make_tables
from tests.training.test_gibbs import PAIRS, expected_ratings

STEP = 0.9
GROUPS = {"users": np.array([0, 1]), "movies": np.array([0])}


def make_sampler() -> Sampler:
    rng = np.random.default_rng(0)
    times = np.where(rng.random(len(PAIRS)) < 0.5, 0, 2 * SECONDS_PER_YEAR)
    tables = make_tables(
        *(PAIRS[:, 0], PAIRS[:, 1], np.zeros(len(PAIRS))),
        times=times + rng.integers(0, 2000, len(PAIRS)),
        num_users=4,
        num_movies=3,
        num_factors=1,
        by_time=True,
    )
    sides = []
    for name, table in zip(GROUPS, tables, strict=True):
        values = rng.normal(size=(len(table.counts), len(GROUPS[name]))).astype(np.float32)
        features = Features(values, GROUPS[name], table.counts > 0)
        prior = FeaturePrior(features, table.num_columns)
        sides.append(Side(name, table, prior, has_noise=True))
    solver = alone()
    return Sampler(*sides, solver, seed=4, process=TimeProcess(*tables, solver))


def process_of(sampler: Sampler) -> TimeProcess:
    assert sampler.process is not None
    return sampler.process


def prior_of(side: Side) -> FeaturePrior:
    assert isinstance(side.prior, FeaturePrior)
    return side.prior


def draw_parameters(sampler: Sampler, rng: np.random.Generator) -> None:
    """Draw all parameters, and the paths, from their priors."""
    numbers, process, users = sampler.numbers, process_of(sampler), sampler.users.table
    numbers.mean, numbers.alpha = rng.standard_normal(), rng.gamma(1.0)
    shapes = np.exp(LOG_SHAPE[0] + LOG_SHAPE[1] * rng.standard_normal(2))
    numbers.user_shape, numbers.movie_shape = shapes
    for side, shape in zip((sampler.users, sampler.movies), shapes, strict=True):
        table, groups, prior = side.table, GROUPS[side.name], prior_of(side)
        size = table.num_columns
        scale = np.eye(size) / (0.1 * (size + 1))
        precision = stats.wishart.rvs(size + 1, scale, random_state=rng)
        strengths = rng.gamma(1.0, size=groups.max() + 1)
        root = np.linalg.inv(np.linalg.cholesky(precision))
        spreads = 1 / np.sqrt([2.0, *strengths[groups]])
        weights = spreads[:, None] * rng.standard_normal((len(spreads), size)) @ root
        means = weights[0] + prior.features.values @ weights[1:]
        table.rows[:] = means + rng.standard_normal(table.rows.shape) @ root
        table.weights[:] = rng.gamma(shape, 1 / shape, len(table.weights))
        prior._drawn = PriorDraw(weights, precision, strengths)
    process.logs = PRIOR_CENTERS + PRIOR_SPREADS * rng.standard_normal(2)
    owners = np.repeat(np.arange(len(users.counts)), users.counts)
    gaps = np.abs(np.subtract.outer(users.times, users.times).astype(float))
    covariance = np.exp(process.logs[0] - gaps / np.exp(process.logs[1]))
    covariance *= owners[:, None] == owners
    paths = rng.multivariate_normal(np.zeros(len(owners)), covariance, method="svd")
    users.ratings[:] = 0
    process.ratings[:] = paths


def draw_ratings(sampler: Sampler, rng: np.random.Generator) -> None:
    """Draw all ratings given the parameters and the paths."""
    users, movies, process = sampler.users.table, sampler.movies.table, process_of(sampler)
    paths = process.paths.copy()
    expected, weights = expected_ratings(sampler)
    noise = rng.standard_normal(len(expected)) / np.sqrt(sampler.numbers.alpha * weights)
    users.ratings[:] = expected + noise
    process.ratings[:] = users.ratings + paths
    owners = np.repeat(np.arange(len(users.counts)), users.counts)
    movies.ratings[:] = users.ratings[np.lexsort((owners, users.others))]


def statistics(sampler: Sampler) -> list[float]:
    numbers, process = sampler.numbers, process_of(sampler)
    expected, weights = expected_ratings(sampler)
    ratings, paths = sampler.users.table.ratings.astype(float), process.paths.astype(float)
    errors = np.sqrt(numbers.alpha * weights) * (ratings - expected)  # standard normal
    found = [
        *(errors.mean(), errors.mean() ** 2, errors @ errors, (errors @ errors) ** 2),
        *(numbers.mean, numbers.mean**2, math.log(numbers.alpha), math.log(numbers.alpha) ** 2),
        *(process.logs, process.logs**2, *np.tanh(paths[:3]), math.tanh(5 * paths[0] * paths[1])),
        *np.log(1e-2 + paths[:4] ** 2),
        math.tanh(errors[0] * paths[0]),
    ]
    found = np.concatenate([np.atleast_1d(one) for one in found]).tolist()
    for side, shape in ((sampler.users, numbers.user_shape), (sampler.movies, numbers.movie_shape)):
        rows, drawn = side.table.rows.astype(float), prior_of(side)._drawn
        logs = np.log(side.table.weights.astype(float))
        found += [math.log(shape), math.log(shape) ** 2, logs[0], logs.mean(), logs @ logs]
        found += [math.log(np.linalg.det(drawn.precision)), *np.log(drawn.strengths)]
        found += [*np.tanh(drawn.weights).ravel(), *np.tanh(rows[0]), *np.tanh(rows[0] * rows[1])]
        found += [*np.log(1e-2 + rows[:2] ** 2).ravel()]
        found += [math.tanh(numbers.mean * rows[0, 1]), math.tanh(paths[0] * rows[0, 1])]
    users, movies = sampler.users.table.rows[0], sampler.movies.table.rows[0]
    return [*found, *np.tanh(users.astype(float) * movies)]


@pytest.mark.slow
def test_sweeps_of_all_blocks_keep_the_joint_distribution() -> None:
    sampler, rng, count = make_sampler(), np.random.default_rng(11), 20_000
    expected, found = [], []
    for _ in range(count):
        draw_parameters(sampler, rng)
        draw_ratings(sampler, rng)
        expected.append(statistics(sampler))
    for number in range(count):
        process_of(sampler).step = STEP  # an adapted one would not keep the distribution exactly
        sampler.sweep(number)
        found.append(statistics(sampler))  # before new ratings, so that errors count too
        draw_ratings(sampler, rng)
    independent, chain = np.array(expected), np.array(found)
    batches = chain.reshape(50, -1, chain.shape[1]).mean(axis=1)
    variance = independent.var(axis=0) / count + batches.var(axis=0, ddof=1) / len(batches)
    z = (chain.mean(axis=0) - independent.mean(axis=0)) / np.sqrt(variance)
    print(np.round(z, 1))
    # Some 80 correlated statistics, batch means of 50: beyond 4.5 once in some 300 tests.
    assert np.abs(z).max() < 4.5
