from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from recspark.synthetic import choose
from recspark.synthetic.cells import build_cells
from recspark.synthetic.choose import build_slots, choose_pulled, choose_users
from recspark.synthetic.pull import Pull


@given(st.integers(0, 2**32), st.lists(st.integers(1, 200), min_size=1, max_size=60), st.data())
def test_users_are_distinct_and_include_those_requested(
    seed: int, weights: list[int], data: st.DataObject
) -> None:
    array = np.array(weights, dtype=np.int32)
    num = data.draw(st.integers(1, len(array)))
    fixed = data.draw(st.permutations(range(len(array))))[: data.draw(st.integers(0, num))]
    always = np.array(fixed, dtype=np.int32)
    chosen = choose_users(np.random.default_rng(seed), num, always, array, build_slots(array))
    assert len(chosen) == num == len(set(chosen.tolist()))
    assert chosen[: len(always)].tolist() == always.tolist()


@pytest.mark.parametrize("dense_share", [0.0, 1.0])
def test_both_ways_draw_without_replacement_by_weight(
    dense_share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = np.array([1, 1, 2, 4, 12], dtype=np.int32)
    # How often each user is among 3, by summing over all orders of three draws.
    expected = np.zeros(5)
    for a in range(5):
        for b in set(range(5)) - {a}:
            for c in set(range(5)) - {a, b}:
                left = weights.sum()
                chance = 1.0
                for user in (a, b, c):
                    chance *= weights[user] / left
                    left -= weights[user]
                expected[[a, b, c]] += chance
    monkeypatch.setattr(choose, "_DENSE_SHARE", dense_share)
    rng, slots, none = np.random.default_rng(1), build_slots(weights), np.array([], dtype=np.int32)
    tries = 8_000
    found = sum(
        np.bincount(choose_users(rng, 3, none, weights, slots), minlength=5) for _ in range(tries)
    )
    np.testing.assert_allclose(found / tries, expected, atol=0.025)


def exact_shares(rates: list[float], num: int) -> dict[tuple[int, ...], float]:
    """The probability of each set of `num` successive draws, by summing over their orders."""
    shares: dict[tuple[int, ...], float] = {}
    for order in itertools.permutations(range(len(rates)), num):
        left, chance = sum(rates), 1.0
        for user in order:
            chance *= rates[user] / left
            left -= rates[user]
        key = tuple(sorted(order))
        shares[key] = shares.get(key, 0) + chance
    return shares


def pull_between(user_taste: list[list[float]], movie_taste: list[float], num_cells: int) -> Pull:
    users = np.array(user_taste, dtype=np.float32)
    movies = np.array(movie_taste, dtype=np.float32)[:, None]
    weights = np.array(WEIGHTS, dtype=np.int32)
    reach = np.ones(len(users), dtype=np.float32)
    return Pull(users, movies, build_cells(users, weights, reach, num_cells))


WEIGHTS = [1, 3, 2, 9, 4, 1]
TASTES = [[0.1, 1.0, -0.5, -1.5, 0.3, 1.2], [1.0, -0.4, 0.8, -0.2, 0.0, -1.0]]


@pytest.mark.parametrize("proposals", [0.0, 1e9], ids=["keys", "proposals"])
@pytest.mark.parametrize("num_cells", [1, 3, 6])
def test_pulled_users_have_the_exact_distribution(
    num_cells: int, proposals: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choose, "_PROPOSALS_PER_USER", proposals)
    pull = pull_between(TASTES, [1.0, -0.7], num_cells)
    weights = np.array(WEIGHTS, dtype=np.int32)
    slots, none = build_slots(weights, pull), np.array([], dtype=np.int32)
    rates = [
        weight * math.exp(first - 0.7 * second)
        for weight, first, second in zip(WEIGHTS, *TASTES, strict=True)
    ]
    rng, tries, exposures = np.random.default_rng(2), 6_000, []
    found: Counter[tuple[int, ...]] = Counter()
    for _ in range(tries):
        users, exposure = choose_pulled(rng, 3, none, weights, slots, pull, 0)
        found[tuple(sorted(users.tolist()))] += 1
        exposures.append(exposure)
    expected = exact_shares(rates, 3)
    counts = [found[key] for key in expected]
    assert chisquare(counts, [share * tries for share in expected.values()]).pvalue > 0.001
    # The time of the third of six exponential clocks: the integral of P(fewer than 3 have rung).
    times = np.linspace(0, 40, 200_001) / sum(rates)
    rung = [1 - np.exp(-rate * times) for rate in rates]
    fewer = sum(
        np.prod([rung[u] if u in early else 1 - rung[u] for u in range(6)], axis=0)
        for size in range(3)
        for early in itertools.combinations(range(6), size)
    )
    assert np.mean(exposures) == pytest.approx(fewer[:-1] @ np.diff(times), rel=0.03)


def test_users_that_a_movie_must_have_come_first_and_are_no_draws() -> None:
    pull = pull_between(TASTES, [1.0, -0.7], 3)
    weights = np.array(WEIGHTS, dtype=np.int32)
    slots, always = build_slots(weights, pull), np.array([3, 0], dtype=np.int32)
    rng = np.random.default_rng(0)
    for num in range(2, 7):
        users, exposure = choose_pulled(rng, num, always, weights, slots, pull, 0)
        assert users[:2].tolist() == [3, 0]
        assert len(users) == num == len(set(users.tolist()))
        assert (exposure > 0) == (num > 2)


def test_users_whose_taste_a_movie_meets_are_chosen() -> None:
    # Two of six users like the movie: e⁴ times as often drawn, so both among two with near 0.93.
    pull = pull_between([[0, 4, 0, 0, 4, 0]], [1.0], 2)
    weights, none = np.ones(6, dtype=np.int32), np.array([], dtype=np.int32)
    slots = build_slots(weights, pull)
    rng, tries = np.random.default_rng(5), 2_000
    draws = [choose_pulled(rng, 2, none, weights, slots, pull, 0)[0] for _ in range(tries)]
    both = sum(set(users.tolist()) == {1, 4} for users in draws) / tries
    first, second = 2 * math.e**4 / (2 * math.e**4 + 4), math.e**4 / (math.e**4 + 4)
    assert both == pytest.approx(first * second, abs=0.02)
