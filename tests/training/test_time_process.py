"""The block of the sampler that draws a process over time for each user."""

from __future__ import annotations

import math

import numpy as np
import pytest

from recspark.saved import over_time as o
from recspark.saved.moments import add_keys, bridge
from recspark.training.row_table import RowTable
from recspark.training.time_process import PRIOR_CENTERS, PRIOR_SPREADS, TimeProcess
from tests.training.row_data import alone, make_tables

USERS = np.array([0, 0, 0, 0, 1, 1, 1, 3, 3])
MOVIES = np.array([0, 1, 2, 3, 3, 1, 0, 2, 1])
TIMES = np.array([900, 5, 5, 100, 40, 30, 2000, 7, 600])


def make_process(ratings: np.ndarray, threads: int = 1) -> tuple[TimeProcess, RowTable, RowTable]:
    """Return a process over ratings of users and movies whose rows are not 0."""
    users, movies = make_tables(
        *(USERS, MOVIES, ratings),
        times=TIMES,
        num_users=4,
        num_movies=4,
        num_factors=1,
        has_drift=False,
        by_time=True,
    )
    rng = np.random.default_rng(1)
    for table in (users, movies):
        table.rows[:] = rng.normal(size=table.rows.shape)
        table.weights[:] = rng.gamma(5, 0.2, len(table.weights))
    return TimeProcess(users, movies, alone(threads)), users, movies


def test_the_tables_hold_the_ratings_minus_the_paths() -> None:
    ratings = np.arange(9.0)
    process, users, movies = make_process(ratings, threads=2)
    process.draw_paths(0.3, 2.0, key=5)
    paths = process.paths
    assert np.abs(paths).min() > 0
    # By user in order of time: of each user the places in USERS, MOVIES, TIMES and ratings.
    order = np.lexsort((np.arange(9), TIMES, USERS))
    np.testing.assert_allclose(users.ratings, ratings[order] - paths, atol=1e-6)
    assert users.others.tolist() == MOVIES[order].tolist()
    assert users.times.tolist() == TIMES[order].tolist()
    for movie in range(4):
        span = slice(movies.starts[movie], movies.starts[movie + 1])
        mine = {
            int(USERS[at]): users.ratings[k] for k, at in enumerate(order) if MOVIES[at] == movie
        }
        assert dict(zip(movies.others[span].tolist(), movies.ratings[span], strict=True)) == mine
    again = process.paths.copy()
    process.draw_paths(0.3, 2.0, key=6)
    assert np.abs(process.paths - again).max() > 0.1
    process.draw_paths(0.3, 2.0, key=5)
    assert np.array_equal(process.paths, again)


def test_sweeps_keep_the_joint_distribution() -> None:
    """Geweke 2004: paths, variance and scale given ratings, and ratings given them, in turn."""
    process, users, movies = make_process(np.zeros(9))
    mean, scale, count = 0.3, 2.0, 20_000
    rng = np.random.default_rng(2)
    order = np.lexsort((np.arange(9), TIMES, USERS))
    p, q = users.values[USERS[order]].astype(float), movies.values[MOVIES[order]].astype(float)
    outputs = mean + p[:, 0] * q[:, 0] + p[:, 1] + q[:, 1]
    spreads = 1 / np.sqrt(scale * p[:, 4] * q[:, 4])
    process.step = 0.9
    chain = []
    for number in range(count):
        process.ratings[:] = outputs + process.paths + spreads * rng.standard_normal(9)
        users.ratings[:] = process.ratings - process.paths
        process.step = 0.9  # an adapted step would not keep the distribution exactly
        process.draw(mean, scale, number, key=number, rng=rng)
        chain.append([*process.logs, *summary(process.paths)])
    direct = []
    same = USERS[order][:, None] == USERS[order]
    gaps = np.abs(TIMES[order][:, None] - TIMES[order])
    for _ in range(4000):
        logs = PRIOR_CENTERS + PRIOR_SPREADS * rng.standard_normal(2)
        covariance = math.exp(logs[0]) * np.exp(-gaps / math.exp(logs[1])) * same
        paths = rng.multivariate_normal(np.zeros(9), covariance, method="svd")
        direct.append([*logs, *summary(paths)])
    found, expected = np.array(chain), np.array(direct)
    batches = found.reshape(50, -1, found.shape[1]).mean(axis=1)
    variance = expected.var(axis=0) / len(expected) + batches.var(axis=0, ddof=1) / 50
    z = (found.mean(axis=0) - expected.mean(axis=0)) / np.sqrt(variance)
    assert np.abs(z).max() < 4.5, z


def summary(paths: np.ndarray) -> list[float]:
    squares = np.log(1e-3 + paths.astype(float)[[0, 3]] ** 2)
    return [*np.tanh(paths[[0, 4]]), *squares, math.tanh(paths[0] * paths[2] * 5)]


def test_variance_and_scale_are_found() -> None:
    rng = np.random.default_rng(3)
    num_users, each = 150, 40
    users = np.repeat(np.arange(num_users), each)
    movies = np.tile(np.arange(each), num_users)
    times = rng.integers(0, 20_000, len(users))
    gaps = np.abs(times.reshape(num_users, each, 1) - times.reshape(num_users, 1, each))
    covariance = 0.4 * np.exp(-gaps / 500)
    paths = np.array([rng.multivariate_normal(np.zeros(each), one) for one in covariance]).ravel()
    tables = make_tables(
        *(users, movies, paths + rng.normal(size=len(paths)) * 0.5),
        times=times,
        num_users=num_users,
        num_movies=each,
        num_factors=1,
        has_drift=False,
        by_time=True,
    )
    process = TimeProcess(*tables, alone())
    chain = []
    for number in range(400):
        process.draw(0.0, 4.0, number, key=number, rng=rng)
        chain.append(process.logs)
    variance, seconds = np.exp(np.mean(chain[200:], axis=0))
    assert variance == pytest.approx(0.4, rel=0.1)
    assert seconds == pytest.approx(500, rel=0.2)
    # At a time between two ratings the paths tell more than 0 does.
    asked = times.reshape(num_users, each)[:, 0].astype(np.int32)
    mine = tables[0]
    known = {o.STARTS: mine.starts, o.TIMES: mine.times, o.PATHS: process.paths}
    known[o.VARIANCES] = np.zeros(len(mine.times))
    found, _ = bridge(add_keys(known), np.arange(num_users), asked, variance, seconds)
    assert np.corrcoef(found, paths.reshape(num_users, each)[:, 0])[0, 1] > 0.6
