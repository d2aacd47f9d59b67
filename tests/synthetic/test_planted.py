"""The planted model and the shape of the data, at a million ratings without Spark."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from recspark.synthetic.calendar import NUM_DAYS
from recspark.synthetic.choose import build_slots
from recspark.synthetic.pieces import sum_rows
from recspark.synthetic.planted import Planted, rating_moments
from recspark.synthetic.population import Population, build_population
from recspark.synthetic.rows import build_rows
from recspark.synthetic.settings import GenerateConfig
from recspark.synthetic.truth import build_truth

CONFIG = GenerateConfig(num_users=20_000, num_movies=4_000, num_ratings=1_000_000, seed=3)


@dataclass
class Medium:
    population: Population
    users: NDArray[np.int32]
    movies: NDArray[np.int32]
    days: NDArray[np.int32]
    ratings: NDArray[np.int8]
    totals: NDArray[np.float64]


@pytest.fixture(scope="module")
def medium() -> Medium:
    population = build_population(CONFIG)
    slots = build_slots(population.weights)
    parts = [build_rows(population, movie, slots) for movie in range(CONFIG.num_movies)]
    rated = [part.num_ratings for part in parts]
    return Medium(
        population=population,
        users=np.concatenate([p.users[:n] for p, n in zip(parts, rated, strict=True)]),
        movies=np.repeat(np.arange(CONFIG.num_movies, dtype=np.int32), rated),
        days=np.concatenate([p.days[:n] for p, n in zip(parts, rated, strict=True)]),
        ratings=np.concatenate([p.ratings[:n] for p, n in zip(parts, rated, strict=True)]),
        totals=np.array([sum_rows(part) for part in parts]),
    )


def means(medium: Medium, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """The planted means, computed by the formula in the docstring in plain float64."""
    planted = medium.population.planted
    user, movie = medium.users[rows], medium.movies[rows]
    time = (medium.days[rows] + 0.5) / NUM_DAYS
    taste = np.einsum(
        "kn,kn->n",
        planted.user_taste[:, user].astype(float),
        planted.movie_taste[:, movie].astype(float),
    )
    drift = (0.20 + planted.user_drift[user] + planted.movie_drift[movie]) * (time - 0.75)
    return planted.user_effect[user] + planted.movie_effect[movie] + drift + taste


def test_rating_shares(medium: Medium) -> None:
    shares = np.bincount(medium.ratings, minlength=6)[1:] / len(medium.ratings)
    np.testing.assert_allclose(shares, [0.046, 0.101, 0.287, 0.336, 0.230], atol=0.005)


def test_long_tails(medium: Medium) -> None:
    per_user = np.bincount(medium.users)
    per_movie = np.bincount(medium.movies)
    # The density and these medians and means are those of the real set.
    assert np.median(per_user) / per_user.mean() == pytest.approx(96 / 209, abs=0.1)
    assert np.median(per_movie) / per_movie.mean() == pytest.approx(560 / 5_654, abs=0.06)
    assert per_user.max() > 700
    assert per_movie.max() > 25 * per_movie.mean()


def test_rows_of_a_movie_stand_in_random_order(medium: Medium) -> None:
    population = medium.population
    movie = int(population.num_rows.argmax())
    users = medium.users[medium.movies == movie]
    # Neither the users placed first nor the eager ones, who are drawn early, cluster anywhere.
    home = population.at_home[population.home_start[movie] : population.home_start[movie + 1]]
    assert np.flatnonzero(np.isin(users, home)).mean() == pytest.approx(len(users) / 2, rel=0.15)
    first, second = np.array_split(np.log(population.weights[users]), 2)
    assert first.mean() == pytest.approx(second.mean(), abs=0.1)


def test_volume_grows(medium: Medium) -> None:
    per_part = np.bincount(medium.days * 6 // NUM_DAYS, minlength=6)
    assert (np.diff(per_part) > 0).all()
    assert per_part[-1] > 0.35 * len(medium.days)
    assert medium.days.min() < 30
    assert medium.days.max() == NUM_DAYS - 1


def test_effects_have_their_size_over_the_ratings(medium: Medium) -> None:
    planted = medium.population.planted
    taste = (planted.user_taste[:, medium.users] * planted.movie_taste[:, medium.movies]).sum(0)
    for values, std in (
        (planted.user_effect[medium.users], 0.42),
        (planted.movie_effect[medium.movies], 0.40),
        (taste, 0.36),
    ):
        assert values.mean() == pytest.approx(0, abs=0.03)
        assert values.std() == pytest.approx(std, rel=0.08)


def test_irreducible_error_agrees_with_a_monte_carlo_estimate(medium: Medium) -> None:
    truth = build_truth(CONFIG, medium.population, medium.totals)["ratings"]
    rng = np.random.default_rng(0)
    rows = rng.choice(len(medium.users), 20_000, replace=False)
    sums = means(medium, rows)[:, None] + rng.normal(0, 0.86, (len(rows), 100))
    drawn = 1 + np.digitize(sums, medium.population.planted.cuts)
    estimate = np.sqrt(drawn.var(axis=1, ddof=1).mean())
    assert truth["floor_rmse"] == pytest.approx(estimate, abs=0.004)
    assert truth["planted_rmse"] == pytest.approx(truth["floor_rmse"], abs=0.003)
    # The ratings of these rows must be such draws.
    errors = medium.ratings[rows] - drawn.mean(axis=1)
    assert np.sqrt((errors**2).mean()) == pytest.approx(estimate, abs=0.015)


def test_rating_moments_by_simulation() -> None:
    empty = np.zeros(0, dtype=np.float32)
    planted = Planted(empty, empty, empty, empty, empty, empty, cuts=(-1.8, -1.1, -0.2, 0.8))
    centres = np.array([-2.0, -0.5, 0.3, 1.5])
    noise = np.random.default_rng(0).normal(0, 0.86, 400_000)
    first, variance = rating_moments(planted, centres)
    for at, centre in enumerate(centres):
        drawn = np.digitize(centre + noise, planted.cuts) + 1
        assert first[at] == pytest.approx(drawn.mean(), abs=0.006)
        assert variance[at] == pytest.approx(drawn.var(), abs=0.008)
