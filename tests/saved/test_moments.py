"""What a model adds for the moment of a rating, against dense Gaussian processes."""

from __future__ import annotations

import numpy as np
import pytest

from recspark.arrays.ratings import NO_TIME, SECONDS_PER_YEAR
from recspark.saved import over_time as o
from recspark.saved.moments import OverTime, add_keys, bridge

VARIANCE, SCALE = 0.3, 500.0
# Of three users: one without ratings, one with equal times, one far before the others.
TIMES = [[], [-1000, 0, 0, 700], [-(2**30), 100]]


def users_of(paths: list[float], variances: list[float] | None = None) -> dict[str, np.ndarray]:
    starts = np.cumsum([0, *map(len, TIMES)])
    times = np.concatenate([np.array(one, np.int32) for one in TIMES]).astype(np.int32)
    return add_keys(
        {
            o.STARTS: starts,
            o.TIMES: times,
            o.PATHS: np.array(paths, np.float32),
            o.VARIANCES: np.array(variances or [0.0] * len(times), np.float32),
        }
    )


def dense(times: list[int], values: list[float], asked: float) -> tuple[float, float]:
    """Mean and variance of a process at `asked`, given its values at other times."""
    at = np.array(times, float)
    # A jitter, because two ratings may have one time.
    known = VARIANCE * np.exp(-np.abs(at[:, None] - at) / SCALE) + 1e-9 * np.eye(len(at))
    cross = VARIANCE * np.exp(-np.abs(at - asked) / SCALE)
    solved = np.linalg.solve(known, cross)
    return float(solved @ values), float(VARIANCE - solved @ cross)


@pytest.mark.parametrize("asked", [-5000, -1000, -400, 0, 1, 350, 700, 5000])
@pytest.mark.parametrize("user", [1, 2])
def test_a_bridge_is_a_gaussian_process_between_known_values(user: int, asked: int) -> None:
    paths = [0.4, -0.3, -0.3, 0.9, 0.2, -0.8]
    found, variance = bridge(
        users_of(paths), np.array([user]), np.array([asked], np.int32), VARIANCE, SCALE
    )
    values = paths[:4] if user == 1 else paths[4:]
    expected = dense(TIMES[user], values, asked)
    assert found[0] == pytest.approx(expected[0], abs=1e-4)
    assert variance[0] == pytest.approx(expected[1], abs=1e-4)


def test_uncertain_ends_make_the_bridge_uncertain() -> None:
    sure, unsure = users_of([0.0] * 6), users_of([0.0] * 6, [0.1] * 6)
    for asked in (-1000, 350, 700):
        where = np.array([1]), np.array([asked], np.int32)
        before = bridge(sure, *where, VARIANCE, SCALE)[1][0]
        after = bridge(unsure, *where, VARIANCE, SCALE)[1][0]
        assert before < after <= before + 0.1 + 1e-6
    assert bridge(unsure, np.array([1]), np.array([0]), VARIANCE, SCALE)[1][0] == pytest.approx(0.1)


def test_slopes_count_from_each_rows_own_moment() -> None:
    users = {o.SLOPES: np.array([0.1, 0.2]), o.MEAN_TIMES: np.array([30.0, 31.0])}
    movies = {o.SLOPES: np.array([0.5, -0.4]), o.MEAN_TIMES: np.array([29.0, 30.0])}
    model = OverTime(movies, lambda bucket: users)
    times = (np.array([32.0, 28.0]) * SECONDS_PER_YEAR).astype(np.int32)
    found, variance = model.add(0, np.array([1, 0]), np.array([0, 1]), times)
    expected = [0.2 * 1 + 0.5 * 3, 0.1 * -2 - 0.4 * -2]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert variance.tolist() == [0, 0]


def test_a_pair_without_a_time_is_for_no_particular_moment() -> None:
    movies = {o.PROCESS: np.array([VARIANCE, SCALE])}
    model = OverTime(movies, lambda bucket: users_of([0.5] * 6))
    pairs = np.array([1, 1, 0]), np.array([0, 0, 0])
    for times in (None, np.array([NO_TIME] * 3, np.int32)):
        found, variance = model.add(0, *pairs, times)
        assert found.tolist() == [0, 0, 0]
        np.testing.assert_allclose(variance, VARIANCE, rtol=1e-6)
    found, variance = model.add(0, *pairs, np.array([NO_TIME, 0, 0], np.int32))
    np.testing.assert_allclose(found, [0, 0.5, 0], atol=1e-6)
    np.testing.assert_allclose(variance, [VARIANCE, 0, VARIANCE], atol=1e-6)
