"""The choice of weights for a blend of lists, by hand and against NumPy."""

from __future__ import annotations

import math

import numpy as np
import pytest

from recspark.blend.list_weights import choose, make_weightings


def test_weightings_start_with_equal_ones() -> None:
    assert make_weightings(2) == [(1, 1), (1, 0), (0, 1), (2, 1), (4, 1), (1, 2), (1, 4)]
    three = make_weightings(3)
    assert three[0] == (1, 1, 1)
    assert len(three) == len(set(three)) == 13
    assert {(0, 0, 1), (1, 0, 1), (1, 4, 1)} <= set(three)


def test_the_best_counts_only_beyond_its_interval() -> None:
    weightings = [(1.0, 1.0), (1.0, 0.0), (0.0, 1.0)]
    figures = np.array([[0.5, 0.6, 0.1], [0.3, 0.5, 0.1], [0.4, 0.7, 0.2], [0.2, 0.2, 0.3]])
    found = choose(weightings, figures)  # gains 0.1, 0.2, 0.3, 0
    half_width = 1.96 * math.sqrt(0.05 / 3) / 2
    assert found.weights == (1, 0)
    assert found.ndcg == pytest.approx(0.5)
    assert found.gain == pytest.approx(0.15)
    assert found.half_width == pytest.approx(half_width)
    assert found.num_users == 4
    figures[3, 1] = 0.0  # gains 0.1, 0.2, 0.3, -0.2: mean 0.1, interval 0.212
    found = choose(weightings, figures)
    assert (found.weights, found.gain) == ((1, 1), 0)
    assert found.ndcg == pytest.approx(0.35)


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_users_leave_equal_weights(count: int) -> None:
    found = choose([(1.0, 1.0), (1.0, 0.0)], np.tile([0.1, 0.9], (count, 1)))
    assert (found.weights, found.gain, found.num_users) == ((1, 1), 0, count)
    assert math.isnan(found.ndcg)
