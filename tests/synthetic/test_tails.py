from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recspark.synthetic.tails import apportion, expected_counts, user_weights


@given(st.data())
def test_apportion_is_exact_and_within_caps(data: st.DataObject) -> None:
    shares = data.draw(st.lists(st.floats(0, 1e6), min_size=1, max_size=30))
    caps = data.draw(st.lists(st.integers(0, 50), min_size=len(shares), max_size=len(shares)))
    total = data.draw(st.integers(0, sum(caps)))
    counts = apportion(np.array(shares), total, np.array(caps))
    assert counts.sum() == total
    assert (counts >= 0).all()
    assert (counts <= caps).all()


def test_apportion_is_proportional_where_no_cap_binds() -> None:
    # 10 · (1, 2, 4) / 7 = 1.43, 2.86, 5.71: the two largest remainders are rounded up.
    assert apportion(np.array([1, 2, 4]), 10, np.array([99, 99, 99])).tolist() == [1, 3, 6]
    # The excess over the cap of 2 goes to the others, 1 : 2.
    assert apportion(np.array([1, 2, 4]), 8, np.array([99, 99, 2])).tolist() == [2, 4, 2]


@pytest.mark.parametrize("total", [5_000, 50_000, 150_000])
def test_expected_counts_sum_to_the_total_at_any_density(total: int) -> None:
    of_users, of_movies = expected_counts(user_weights(800), 200, total)
    assert of_users.sum() == pytest.approx(total, rel=1e-6)
    assert of_movies.sum() == pytest.approx(total, rel=0.02)
    assert (of_users <= 200).all()
    assert (of_movies <= 800).all()


def test_margins_at_full_size_are_those_of_the_netflix_prize() -> None:
    users, movies = 480_189, 17_770
    of_users, of_movies = expected_counts(user_weights(users), movies, 103_294_000 - users)
    scale = 100_480_507 / 103_294_000  # without the qualifying rows
    assert np.median(of_users + 1) * scale == pytest.approx(96, rel=0.05)
    assert (of_users.max() + 1) * scale == pytest.approx(17_000, rel=0.05)
    assert np.median(of_movies) * scale == pytest.approx(560, rel=0.05)
    assert of_movies.max() * scale == pytest.approx(230_000, rel=0.05)
