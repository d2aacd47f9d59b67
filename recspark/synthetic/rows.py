"""All rows of one movie: the users, the days, the ratings, and which rows are held out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recspark.synthetic.calendar import days_of, sample_times
from recspark.synthetic.choose import choose_pulled, choose_users
from recspark.synthetic.planted import add_noise, planted_means, rating_moments, round_ratings
from recspark.synthetic.population import Population
from recspark.synthetic.streams import Purpose, stream


@dataclass(frozen=True)
class MovieRows:
    """One movie's rows in file order: `num_ratings` ratings, then the qualifying rows."""

    users: NDArray[np.int32]
    """Positions in the population's tables."""
    days: NDArray[np.int32]
    """Days since the first day of the calendar."""
    ratings: NDArray[np.int8]
    num_ratings: int
    probe: NDArray[np.int64]
    """Positions among the ratings of the rows of probe.txt."""
    squared_errors: NDArray[np.float64]
    """(rating - expected rating)² of each row."""
    variances: NDArray[np.float64]
    """Expected value of `squared_errors`, given the planted means."""
    exposure: float
    """From `choose_pulled`; NaN without a pull."""


def build_rows(population: Population, movie: int, slots: NDArray[np.int32]) -> MovieRows:
    """Return the rows of a movie, which depend only on the population and the movie.

    Held-out rows are drawn uniformly from the movie's rows, except that no qualifying row is one
    that guarantees a user a rating.

    Args:
        population: From `build_population`.
        movie: Position of the movie (its id less 1).
        slots: From `build_slots` of the population's weights and pull.
    """
    rows = stream(population.seed, Purpose.ROWS, movie)
    home = population.at_home[population.home_start[movie] : population.home_start[movie + 1]]
    num, weights = int(population.num_rows[movie]), population.weights
    if population.pull is None:
        chosen, exposure = choose_users(rows, num, home, weights, slots), math.nan
    else:
        chosen, exposure = choose_pulled(rows, num, home, weights, slots, population.pull, movie)
    others = rows.permutation(chosen[len(home) :])
    num_held_out = int(population.num_qualifying[movie])
    rated = rows.permutation(np.concatenate([home, others[num_held_out:]]))
    users = np.concatenate([rated, others[:num_held_out]])
    probe = rows.choice(len(rated), int(population.num_probe[movie]), replace=False)
    times = sample_times(rows, population.joined[users], population.opened[movie])
    means = planted_means(population.planted, users, movie, times)
    ratings = round_ratings(population.planted, add_noise(rows, means))
    expected, variances = rating_moments(population.planted, means)
    return MovieRows(
        users=users,
        days=days_of(times),
        ratings=ratings,
        num_ratings=len(rated),
        probe=probe,
        squared_errors=(ratings - expected) ** 2,
        variances=variances,
        exposure=exposure,
    )
