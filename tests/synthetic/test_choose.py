from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recspark.synthetic import choose
from recspark.synthetic.choose import build_slots, choose_users


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
