"""Solving for rows and drawing them, against dense float64 NumPy."""

from __future__ import annotations

import math
import multiprocessing
from dataclasses import replace
from multiprocessing.queues import Queue

import numpy as np
import pytest

from recspark.arrays.compiled import Threads
from recspark.arrays.ratings import SECONDS_PER_YEAR
from recspark.config import TrainConfig
from recspark.training import row_solver
from recspark.training.group import join_group
from recspark.training.row_solver import RowPrior, RowSolver
from recspark.training.row_table import RowTable
from recspark.training.solve_loops import draw_gammas, fill_normals, mix
from tests.training.jobs import as_rank, free_port
from tests.training.row_data import alone, make_tables, ratings_of

USERS, MOVIES = 50, 40
MEAN, SCALE, KEY = 0.3, 1.7, 12345


def random_tables(num_factors: int, has_drift: bool, threads: int = 1) -> tuple[RowTable, RowTable]:
    """Return tables in which user 0 has 2,501 ratings, user 1 three and the last user none."""
    rng = np.random.default_rng(5)
    users = np.concatenate([np.zeros(2501), np.ones(3), rng.integers(2, USERS - 1, 3000)])
    movies = rng.integers(0, MOVIES, len(users))
    order = rng.permutation(len(users))
    times = rng.integers(0, int(5 * SECONDS_PER_YEAR), len(users)) if has_drift else None
    tables = make_tables(
        *(users[order], movies[order], rng.normal(size=len(users))),
        num_users=USERS,
        num_movies=MOVIES,
        num_factors=num_factors,
        times=times,
        threads=threads,
    )
    for table in tables:
        table.rows[:] = rng.normal(size=table.rows.shape)
        table.weights[:] = rng.gamma(5, 0.2, size=len(table.weights))
    return tables


def regressors(mine: RowTable, other: RowTable, row: int) -> tuple[np.ndarray, ...]:
    """Return (v [n, D], y [n], w [n]) of a row's ratings."""
    span = ratings_of(mine, row)
    theirs = other.values[mine.others[span]].astype(float)
    size = mine.num_factors
    columns = [theirs[:, :size], np.ones((len(theirs), 1))]
    target = mine.ratings[span].astype(float) - MEAN - theirs[:, size]
    if mine.has_drift:
        years = mine.times[span] / SECONDS_PER_YEAR
        columns.append((years - mine.mean_times[row])[:, None])
        target -= theirs[:, size + 1] * (years - theirs[:, size + 2])
    return np.hstack(columns), target, theirs[:, size + 3]


def make_prior(size: int, rows: int, is_plain: bool) -> RowPrior:
    rng = np.random.default_rng(8)
    root = rng.normal(size=(size, size))
    means = rng.normal(size=(1 if is_plain else rows, size))
    return RowPrior(root @ root.T + np.eye(size), rng.random(size), means)


@pytest.mark.parametrize("key", [None, KEY])
@pytest.mark.parametrize("has_drift", [False, True])
@pytest.mark.parametrize("num_factors", [2, 13, 15, 33])
def test_rows_solve_the_normal_equations(
    num_factors: int, has_drift: bool, key: int | None
) -> None:
    users, movies = random_tables(num_factors, has_drift)
    for mine, other in ((users, movies), (movies, users)):
        size = mine.num_columns
        prior = make_prior(size, len(mine.rows), is_plain=mine is movies)
        weights = mine.weights.astype(float)
        centers = np.zeros(mine.rows.shape, np.float32)
        errors = alone().solve(mine, other, prior, mean=MEAN, scale=SCALE, key=key, centers=centers)
        noise = np.zeros((len(mine.rows), size), np.float32)
        if key is not None:
            fill_normals(1.0, np.uint64(key), mine.names, noise)
        for row in range(len(mine.rows)):
            v, y, w = regressors(mine, other, row)
            mean = prior.means[min(row, len(prior.means) - 1)]
            precision = prior.precision + len(v) * np.diag(prior.per_rating)
            precision += SCALE * weights[row] * (v * w[:, None]).T @ v
            side = prior.precision @ mean + SCALE * weights[row] * v.T @ (w * y)
            expected = np.linalg.solve(precision, side)
            if len(v) or key:
                np.testing.assert_allclose(centers[row], expected, atol=2e-4)
            expected = expected + np.linalg.solve(np.linalg.cholesky(precision).T, noise[row])
            if not len(v) and key is None:
                expected = mean
            np.testing.assert_allclose(mine.rows[row], expected, atol=2e-4)
            left = y - v @ mine.rows[row]
            found = [w @ left**2, w @ left, w.sum()]
            np.testing.assert_allclose(errors[row], found, rtol=1e-4, atol=2e-3)


def test_threads_change_nothing() -> None:
    results = []
    for threads in (1, 3):
        users, movies = random_tables(9, has_drift=True, threads=threads)
        errors = alone(threads).solve(users, movies, make_prior(11, 1, True), key=KEY)
        results.append((users.values, users.others, movies.ratings, movies.times, errors))
    for one, other in zip(*results, strict=True):
        assert np.array_equal(one, other)


def solve_movies(
    solver: RowSolver, users: RowTable, movies: RowTable
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the rows of the movies, what they are drawn around, and their errors."""
    centers = np.zeros(movies.rows.shape, np.float32)
    prior = make_prior(movies.num_columns, MOVIES, is_plain=False)
    errors = solver.solve(movies, users, prior, mean=MEAN, key=KEY, centers=centers)
    return movies.rows, centers, errors


def solve_on_rank(rank: int, port: int, results: Queue[tuple[np.ndarray, ...]]) -> None:
    """Be one of three ranks, with the ratings of each third user, and a few movies at a time."""
    row_solver.SHARED_BYTES = 8 * 105 * 7
    users, movies = random_tables(12, has_drift=False)
    has = movies.others % 3 == rank
    starts = np.concatenate([[0], np.cumsum(has)])[movies.starts]
    mine = replace(movies, starts=starts, others=movies.others[has], ratings=movies.ratings[has])
    with as_rank(rank, 3, port), join_group(TrainConfig(device="cpu")) as group:
        results.put(solve_movies(RowSolver(Threads(2), group), users, mine))


def test_ranks_solve_for_shares_of_the_movies() -> None:
    context = multiprocessing.get_context("spawn")
    results, port = context.Queue(), free_port()
    ranks = [context.Process(target=solve_on_rank, args=(n, port, results)) for n in range(3)]
    for rank in ranks:
        rank.start()
    found = [results.get(timeout=90) for _ in ranks]
    for rank in ranks:
        rank.join(60)
    expected = solve_movies(alone(), *random_tables(12, has_drift=False))
    for one in found:
        for values, first, wanted in zip(one, found[0], expected, strict=True):
            assert np.array_equal(values, first)
            np.testing.assert_allclose(values, wanted, rtol=1e-4, atol=1e-4)


def test_ratings_are_grouped_by_user_and_by_movie() -> None:
    users, movies = make_tables(
        *(np.array([2, 0, 2, 0]), np.array([1, 1, 0, 2]), np.array([5.0, 4.0, 3.0, 1.0])),
        times=np.array([10, 20, 30, 40]) * int(SECONDS_PER_YEAR),
        num_users=4,
        num_movies=3,
        num_factors=2,
    )
    assert users.starts.tolist() == [0, 2, 2, 4, 4]
    assert users.others.tolist() == [1, 2, 1, 0]
    assert users.ratings.tolist() == [4, 1, 5, 3]
    assert movies.starts.tolist() == [0, 1, 3, 4]
    assert movies.others.tolist() == [2, 0, 2, 0]
    assert movies.ratings.tolist() == [3, 4, 5, 1]
    assert users.counts.tolist() == [2, 0, 2, 0]
    assert movies.counts.tolist() == [1, 2, 1]
    np.testing.assert_allclose(users.mean_times, [30, 0, 20, 0], rtol=1e-6)
    np.testing.assert_allclose(movies.mean_times, [30, 15, 40], rtol=1e-6)
    assert users.names.tolist() == [0, 1, 2, 3]


def test_the_generator_is_splitmix64() -> None:
    # The first numbers for the seed 0, as published with the generator.
    golden = 0x9E3779B97F4A7C15
    with np.errstate(over="ignore"):
        found = [int(mix.py_func(np.uint64(n * golden % 2**64))) for n in (1, 2, 3)]
    assert found == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]


def test_normals_are_normal_and_differ_by_row_column_and_key() -> None:
    drawn = np.zeros((200_000, 3), np.float32)
    fill_normals(2.0, np.uint64(1), np.arange(len(drawn)), drawn)
    z = np.sort(drawn.astype(float).ravel() / 2)
    expected = np.array([0.5 * math.erfc(-x / math.sqrt(2)) for x in z[::100]])
    assert np.abs(np.arange(0, len(z), 100) / len(z) - expected).max() < 0.003
    assert np.abs(np.corrcoef(drawn.T) - np.eye(3)).max() < 0.01
    assert abs(np.corrcoef(drawn[1:, 0], drawn[:-1, 0])[0, 1]) < 0.01
    other = np.zeros_like(drawn)
    fill_normals(2.0, np.uint64(2), np.arange(len(drawn)), other)
    assert abs(np.corrcoef(drawn[:, 0], other[:, 0])[0, 1]) < 0.01


@pytest.mark.parametrize("shape", [0.3, 1.0, 7.5])
def test_gammas_have_their_moments(shape: float) -> None:
    count = 200_000
    drawn = np.zeros(count, np.float32)
    rates = np.full(count, 2.0)
    draw_gammas(np.full(count, shape), rates, np.uint64(3), np.arange(count), drawn)
    assert drawn.mean() == pytest.approx(shape / 2, rel=0.01)
    assert drawn.var() == pytest.approx(shape / 4, rel=0.03)
    # E log x = digamma(shape) - log 2, with digamma by differences of log gamma
    digamma = (math.lgamma(shape + 1e-5) - math.lgamma(shape - 1e-5)) / 2e-5
    logs = np.log(np.maximum(drawn.astype(float), 1e-37))
    assert logs.mean() == pytest.approx(digamma - math.log(2), abs=0.04)
