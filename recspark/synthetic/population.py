"""All users and movies of a data set, as lookup tables for every task."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recspark.synthetic.calendar import opening_share, sample_joined, sample_years
from recspark.synthetic.planted import Planted, plant
from recspark.synthetic.pull import Pull, build_pull
from recspark.synthetic.settings import GenerateConfig
from recspark.synthetic.streams import Purpose, stream
from recspark.synthetic.tails import apportion, expected_counts, exposures, user_weights

Ints = NDArray[np.int64]
Floats32 = NDArray[np.float32]


@dataclass(frozen=True)
class Population:
    """Users (arrays of N, unordered) and movies (arrays of M; the position is movie id - 1)."""

    seed: int
    user_ids: NDArray[np.int32]
    weights: NDArray[np.int32]
    """How eagerly a user rates, relative to the others (1 or more)."""
    joined: Floats32
    """The earliest time of a user's ratings, from 0 (first day) to 1 (last day)."""
    opened: Floats32
    """The earliest time of a movie's ratings, on the same scale."""
    years: NDArray[np.int32]
    """Year of release."""
    num_rows: Ints
    """Pairs of each movie, including those of qualifying.txt."""
    num_probe: Ints
    num_qualifying: Ints
    at_home: NDArray[np.int32]
    """Every user once, grouped by movie: the pairs that guarantee each user a rating."""
    home_start: Ints
    """Where each movie's part of `at_home` starts (M + 1)."""
    planted: Planted
    pull: Pull | None
    """What makes users rate movies to their taste; None if only popularity counts."""

    @property
    def num_ratings(self) -> Ints:
        """Rows of each movie in combined_data."""
        return self.num_rows - self.num_qualifying


def build_population(config: GenerateConfig) -> Population:
    """Return the tables of a data set, which depend on its content settings only.

    Memory: about 60 bytes per user and 100 per movie (30 MB at the size of the Netflix Prize), and
    24 more of each with a pull.
    """
    users = stream(config.seed, Purpose.USERS)
    movies = stream(config.seed, Purpose.MOVIES)
    ranked = user_weights(config.num_users)
    ranked_users, ranked_movies = expected_counts(
        ranked, config.num_movies, config.num_rows - config.num_users
    )
    user_rank = users.permutation(config.num_users)
    movie_rank = movies.permutation(config.num_movies)
    one_each = np.full(config.num_movies, config.num_users - 1)
    num_rows = 1 + apportion(
        ranked_movies[movie_rank], config.num_rows - config.num_movies, one_each
    )
    num_home = apportion(num_rows, config.num_users, num_rows)
    # A movie's or a user's only rating must not go to qualifying.txt.
    spare = num_rows - np.maximum(num_home, 1)
    num_qualifying = apportion(spare, config.num_qualifying, spare)
    kept = num_rows - num_qualifying
    years = sample_years(movies, config.num_movies)
    joined, opened = sample_joined(users, config.num_users), opening_share(years)
    weights = ranked[user_rank]
    planted = plant(
        config.seed,
        user_counts=1 + ranked_users[user_rank],
        movie_counts=num_rows,
        joined=joined,
        opened=opened,
        choice=config.choice,
        rates=(weights, exposures(weights, num_rows)),
    )
    return Population(
        seed=config.seed,
        user_ids=_ids(users, config.num_users, config.max_user_id),
        weights=weights,
        joined=joined,
        opened=opened,
        years=years,
        num_rows=num_rows,
        num_probe=apportion(kept, config.num_probe, kept),
        num_qualifying=num_qualifying,
        at_home=users.permutation(config.num_users).astype(np.int32),
        home_start=np.concatenate([[0], np.cumsum(num_home)]),
        planted=planted,
        pull=build_pull(planted, weights, config.choice) if config.choice else None,
    )


def _ids(users: np.random.Generator, num: int, largest: int) -> NDArray[np.int32]:
    """Return `num` distinct ids from 1 to `largest`, including `largest`, in random order."""
    others = users.choice(largest - 1, num - 1, replace=False) + 1
    return users.permutation(np.append(others, largest)).astype(np.int32)
