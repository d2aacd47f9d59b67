from __future__ import annotations

import math

import numpy as np
import pytest

from recspark.evaluation.bootstrap import compare, draw_weights, interval, resample_sums

USERS = np.arange(20_000)


def test_weights_are_poisson_with_mean_one() -> None:
    weights = draw_weights(USERS, 50, seed=1)
    shares = np.bincount(weights.ravel(), minlength=5)[:5] / weights.size
    # A million draws: four standard errors of a share are 0.002.
    assert shares == pytest.approx([math.exp(-1) / math.factorial(k) for k in range(5)], abs=0.002)
    assert weights.mean() == pytest.approx(1, abs=0.004)
    assert weights.astype(float).var() == pytest.approx(1, abs=0.008)


def test_weights_of_users_and_of_resamples_are_independent() -> None:
    weights = draw_weights(USERS, 20, seed=1).astype(float)
    by_resample = np.corrcoef(weights)
    assert np.abs(by_resample - np.eye(20)).max() < 4 / math.sqrt(len(USERS)) * 1.5
    neighbours = np.corrcoef(weights[:, :-1].ravel(), weights[:, 1:].ravel())[0, 1]
    assert abs(neighbours) < 0.01


def test_the_weights_of_a_user_do_not_depend_on_the_other_users() -> None:
    weights = draw_weights(USERS, 8, seed=1)
    chosen = np.array([19_999, 3, 700])
    assert (draw_weights(chosen, 8, seed=1) == weights[:, chosen]).all()
    assert (draw_weights(chosen, 5, seed=1) == weights[:5, chosen]).all()
    assert (draw_weights(chosen, 8, seed=2) != weights[:, chosen]).any()


def test_sums_are_those_of_all_users_at_once() -> None:
    sums = np.random.default_rng(3).random((len(USERS), 3))
    expected = draw_weights(USERS, 6, seed=1).astype(float) @ sums
    assert resample_sums(USERS, sums, 6, seed=1) == pytest.approx(expected, rel=1e-12)


def test_interval_of_a_mean_is_that_of_theory() -> None:
    values = np.random.default_rng(4).normal(3, 2, len(USERS))
    sums = resample_sums(USERS, np.column_stack([np.ones(len(USERS)), values]), 2000, seed=1)
    low, high = interval(sums[:, 1] / sums[:, 0])
    standard_error = values.std() / math.sqrt(len(USERS))
    assert low == pytest.approx(values.mean() - 1.96 * standard_error, abs=0.2 * standard_error)
    assert high == pytest.approx(values.mean() + 1.96 * standard_error, abs=0.2 * standard_error)


def test_a_paired_difference_is_more_certain_than_two_intervals() -> None:
    rng = np.random.default_rng(5)
    hardness = rng.gamma(2, 1, len(USERS))  # of a user, the same for both models
    squares = np.column_stack([hardness, hardness * 1.01 + rng.normal(0, 0.05, len(USERS))])
    rows = np.ones((len(USERS), 1))
    sums = resample_sums(USERS, np.hstack([rows, squares]), 200, seed=1)
    first, second = (np.sqrt(sums[:, i] / sums[:, 0]) for i in (1, 2))
    better = compare(0.0, first, 0.0, second)
    assert not better.is_tie
    assert better.high < 0
    assert interval(first)[1] > interval(second)[0]  # taken apart, they overlap
    assert compare(1.0, first, 1.0, first[::-1]).is_tie


def test_a_model_ties_with_itself() -> None:
    values = np.array([1.0, 1.1, 0.9])
    same = compare(1.0, values, 1.0, values)
    assert (same.difference, same.low, same.high, same.is_tie) == (0, 0, 0, True)
