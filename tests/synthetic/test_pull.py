"""Who is pulled to what: the balance of tastes, and the boxes that the draws rely on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recspark.synthetic.cells import build_cells
from recspark.synthetic.choose import build_slots
from recspark.synthetic.planted import Planted
from recspark.synthetic.population import build_population
from recspark.synthetic.pull import build_pull, dot
from recspark.synthetic.rows import build_rows
from recspark.synthetic.settings import GenerateConfig

# So sparse that the closed forms of pull.py hold.
SPARSE = GenerateConfig(num_users=20_000, num_movies=4_000, num_ratings=200_000, seed=3, choice=4.0)


@given(st.integers(0, 2**32), st.integers(1, 200), st.integers(1, 40), st.booleans())
def test_every_user_is_in_one_box(seed: int, num: int, num_cells: int, equal: bool) -> None:
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(3, num)).astype(np.float32)
    if equal:
        points[:] = 1
    weights = rng.integers(1, 50, num, dtype=np.int32)
    cells = build_cells(points, weights, np.ones(3, dtype=np.float32), num_cells)
    assert sorted(cells.order.tolist()) == list(range(num))
    assert len(cells.num_users) == (1 if equal else min(num, num_cells))
    parts = np.split(cells.order, np.cumsum(cells.num_users)[:-1])
    for cell, users in enumerate(parts):
        outside = np.abs(points[:, users] - cells.middle[:, cell, None])
        assert (outside <= cells.half_width[:, cell, None] + 1e-6).all()
        assert cells.num_slots[cell] == weights[users].sum()
    assert cells.slot_ends.tolist() == np.cumsum(cells.num_slots).tolist()


def test_the_pull_of_a_pair_by_hand() -> None:
    effect = np.zeros(2, dtype=np.float32)
    # Standard units of taste are √(0.36 / √4) = √0.18: the first user's squares sum to 2.
    unit = np.sqrt(0.18)
    user_taste = np.array([[1, 0], [1, 3], [0, 0], [0, 0]], dtype=np.float32) * unit
    movie_taste = np.array([[2, 0], [0, 1], [0, 0], [0, 0]], dtype=np.float32) * unit
    planted = Planted(effect, effect, user_taste, effect, effect, movie_taste, cuts=())
    pull = build_pull(planted, np.array([1, 1], dtype=np.int32), choice=3.0)
    # a = 3 · 0.18 = 0.54, k = (√(1 + 4 · 0.2916) - 1) / 2
    k = 0.235935
    expected = [[0.54 * 2 - k, 0.54 - k], [0 - 4.5 * k, 0.54 * 3 - 4.5 * k]]
    for movie in (0, 1):
        found = dot(pull.users, pull.movies[:, movie])
        np.testing.assert_allclose(found, [row[movie] for row in expected], atol=1e-4)


def test_tastes_meet_and_nothing_else_changes() -> None:
    population = build_population(SPARSE)
    slots = build_slots(population.weights, population.pull)
    rows = [build_rows(population, movie, slots) for movie in range(SPARSE.num_movies)]
    users = np.concatenate([part.users for part in rows])
    movies = np.repeat(np.arange(SPARSE.num_movies), [len(part.users) for part in rows])
    ratings = np.concatenate([part.ratings for part in rows])
    planted = population.planted
    # a = 4 · 0.18 = 0.72, k = 0.3765, a / (1 + k) = 0.523; a tenth of the ratings, one for each
    # user, is drawn without regard to taste.
    for of_users, of_movies in zip(planted.user_taste, planted.movie_taste, strict=True):
        found = np.corrcoef(of_users[users], of_movies[movies])[0, 1]
        assert found == pytest.approx(0.523 * 0.9, abs=0.04)
    # Those whom taste moves most are no more eager than others.
    squares = (planted.user_taste.astype(float) ** 2).sum(axis=0) / 0.18
    assert squares[users].mean() == pytest.approx(4, rel=0.05)
    shares = np.bincount(ratings, minlength=6)[1:] / len(ratings)
    np.testing.assert_allclose(shares, [0.046, 0.101, 0.287, 0.336, 0.230], atol=0.008)
