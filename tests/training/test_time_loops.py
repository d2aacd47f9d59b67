"""The process over time, against a dense Gaussian process."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from recspark.saved import over_time as o
from recspark.saved.moments import add_keys, bridge
from recspark.training import time_loops

STARTS = np.array([0, 5, 5, 8], np.int64)  # the second user has no rating
TIMES = np.array([10, 10, 70, 400, 100_000, 5, 300, 300], np.int32)
VALUES = np.array([0.5, -0.2, 0.9, 0.1, -1.0, 0.3, 0.8, 0.4], np.float32)
WEIGHTS = np.array([1.0, 2.0, 0.5, 4.0, 1.0, 0.0, 3.0, 1.5], np.float32)
VARIANCE, SCALE = 0.3, 200.0


def covariance(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.asarray(VARIANCE * np.exp(-np.abs(np.subtract.outer(left, right)) / SCALE))


def dense(span: slice, asked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and covariance of x at the times asked for, given a user's values."""
    mine = span.start + np.flatnonzero(WEIGHTS[span] > 0)
    times = TIMES[mine].astype(float)
    total = covariance(times, times) + np.diag(1 / WEIGHTS[mine])
    across = covariance(asked, times)
    gain = across @ np.linalg.inv(total)
    return gain @ VALUES[mine], covariance(asked, asked) - gain @ across.T


def test_log_likelihood_is_that_of_a_dense_gaussian() -> None:
    expected = 0.0
    for span in (slice(0, 5), slice(6, 8)):  # weight 0 says nothing
        times = TIMES[span].astype(float)
        total = covariance(times, times) + np.diag(1 / WEIGHTS[span])
        alone = np.diag(1 / WEIGHTS[span])  # a process of variance 0
        zeros = np.zeros(len(times))
        expected += stats.multivariate_normal.logpdf(VALUES[span], zeros, total)
        expected -= stats.multivariate_normal.logpdf(VALUES[span], zeros, alone)
    found = [
        time_loops.log_likelihood(STARTS, TIMES, VALUES, WEIGHTS, variance, SCALE)
        for variance in (VARIANCE, 0.0)
    ]
    assert found[0] - found[1] == pytest.approx(expected, abs=1e-6)


def test_the_logarithm_of_many_ratings_does_not_overflow() -> None:
    num = 3000
    starts, zeros = np.array([0, num], np.int64), np.zeros(num, np.float32)
    times = np.arange(num, dtype=np.int32) * 500_000  # far apart: independent
    weights = np.full(num, 1e3, np.float32)
    found = time_loops.log_likelihood(starts, times, zeros, weights, VARIANCE, SCALE)
    assert found == pytest.approx(-0.5 * num * np.log1p(1e3 * VARIANCE), rel=1e-9)


def test_paths_have_the_moments_of_a_dense_gaussian() -> None:
    rng = np.random.default_rng(1)
    draws = np.empty((20_000, len(TIMES)), np.float32)
    for path in draws:
        noise = rng.normal(size=len(TIMES)).astype(np.float32)
        time_loops.draw_paths(STARTS, TIMES, VALUES, WEIGHTS, noise, VARIANCE, SCALE, path)
    assert np.array_equal(draws[:, 0], draws[:, 1])  # the same moment, the same x
    for span in (slice(0, 5), slice(5, 8)):
        mean, spread = dense(span, TIMES[span].astype(float))
        np.testing.assert_allclose(draws[:, span].mean(axis=0), mean, atol=0.015)
        np.testing.assert_allclose(np.cov(draws[:, span].T), spread, atol=0.01)
    across = np.corrcoef(draws[:, [0, 5]].T)[0, 1]  # users are independent
    assert abs(across) < 0.03


def test_means_between_ratings_are_those_of_a_dense_gaussian() -> None:
    paths = np.array([0.4, 0.4, 0.7, -0.1, -0.5, 0.2, 0.6, 0.6], np.float32)
    users = np.array([0] * 7 + [1] + [2] * 2, np.int32)
    asked = np.array([0, 10, 30, 70, 90_000, 100_000, 100_100, 10, 200, 301], np.int32)
    known = {o.STARTS: STARTS, o.TIMES: TIMES, o.PATHS: paths, o.VARIANCES: np.zeros(len(paths))}
    found, _ = bridge(add_keys(known), users, asked, VARIANCE, SCALE)
    for user, time, value in zip(users, asked, found, strict=True):
        mine = np.arange(STARTS[user], STARTS[user + 1])
        if len(mine) == 0:
            assert value == 0
            continue
        mine = mine[np.unique(TIMES[mine], return_index=True)[1]]
        times = TIMES[mine].astype(float)
        gain = np.linalg.solve(covariance(times, times), covariance(times, np.array([float(time)])))
        assert value == pytest.approx(float(gain[:, 0] @ paths[mine]), abs=1e-6)


def test_ratings_are_sorted_within_each_user() -> None:
    times = np.array([3, 1, 3, 9, 8], np.int32)
    others = np.array([0, 1, 2, 3, 4], np.int32)
    ratings = others.astype(np.float32) / 2
    time_loops.sort_by_time(np.array([0, 3, 3, 5], np.int64), 0, 3, others, ratings, times)
    assert times.tolist() == [1, 3, 3, 8, 9]
    assert others.tolist() == [1, 0, 2, 4, 3]
    assert ratings.tolist() == [0.5, 0, 1, 2, 1.5]


def test_smoothed_paths_are_those_of_a_dense_gaussian() -> None:
    means, variances = np.empty(len(TIMES), np.float32), np.empty(len(TIMES), np.float32)
    time_loops.smooth_paths(STARTS, TIMES, VALUES, WEIGHTS, VARIANCE, SCALE, means, variances)
    for span in (slice(0, 5), slice(5, 8)):
        mean, spread = dense(span, TIMES[span].astype(float))
        np.testing.assert_allclose(means[span], mean, atol=1e-5)
        np.testing.assert_allclose(variances[span], np.diag(spread), atol=1e-5)
