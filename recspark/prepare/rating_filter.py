"""Filters the ratings: a sample of the users, and minimum counts, once or until stable."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from recspark.arrays.lookup import Lookup
from recspark.config import PrepareConfig
from recspark.errors import DataError, describe
from recspark.prepare.counts import RatingCounts
from recspark.prepare.rows import RatingFilter

logger = logging.getLogger(__name__)


def filter_ratings(
    count: Callable[[RatingFilter], RatingCounts], settings: PrepareConfig, seed: int
) -> tuple[RatingCounts, RatingFilter]:
    """Return the counts of the ratings left after sampling and filtering, and what keeps them.

    With filter `once`, users and movies are judged by their counts in the (sampled) ratings, as in
    the public notebooks, so some may be left with fewer ratings than the minimum. With `k_core`,
    this is repeated until every user and movie left has its minimum (Seidman 1983, for a bipartite
    graph).

    Args:
        count: Counts the ratings that pass a RatingFilter; called once per round.
        settings: The `prepare` section.
        seed: The run's seed, for the sample.

    Raises:
        DataError: Nothing is left.
    """
    lowest = -np.inf if settings.min_rating is None else settings.min_rating
    sample = RatingFilter(user_fraction=settings.user_fraction, seed=seed, lowest=lowest)
    rating_filter = sample
    current = count(rating_filter)
    rounds = 0
    while True:
        users = current.users[current.user_counts >= settings.min_ratings_per_user]
        movies = current.movies[current.movie_counts >= settings.min_ratings_per_movie]
        _refuse_empty(len(users), "user", settings)
        _refuse_empty(len(movies), "movie", settings)
        stable = len(users) == len(current.users) and len(movies) == len(current.movies)
        if stable or (settings.filter == "once" and rounds == 1):
            return current, rating_filter
        rating_filter = replace(sample, users=Lookup.of(users), movies=Lookup.of(movies))
        current = count(rating_filter)
        rounds += 1
        logger.info(
            "prepare: filter round %d keeps %s users, %s movies, %s ratings",
            *(rounds, f"{len(users):,}", f"{len(movies):,}", f"{current.num_ratings:,}"),
        )


def _refuse_empty(num_left: int, what: str, settings: PrepareConfig) -> None:
    option = f"min_ratings_per_{what}"
    if num_left == 0:
        raise DataError(
            describe(
                "prepare",
                found=f"no {what}s with {getattr(settings, option)} or more ratings",
                expected="some",
                remedy=f"Lower prepare.{option}, or raise prepare.user_fraction.",
            )
        )
