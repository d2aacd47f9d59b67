"""A few real users: what they liked, and what a model would show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from recspark.contract import columns as c
from recspark.report.movies import Movies

_TENTH, _PLACE, _DRAW, _PART = "_tenth", "_place", "_draw", "_part"


@dataclass(frozen=True)
class Listed:
    """A movie of a user's list."""

    title: str
    score: float
    """In rating units, not clipped."""
    given: float | None
    """What the user gave it in test; None where test has no such rating."""


@dataclass(frozen=True)
class Example:
    """One user."""

    user_id: int
    num_ratings: int
    """In train and valid, which the list leaves out."""
    liked: list[tuple[str, float]]
    """Titles with the user's ratings, highest first, the newest of equal ones."""
    listed: list[Listed]
    """Best first."""


def choose_users(
    lists: DataFrame, user_index: DataFrame, *, num_users: int, seed: int, count: int
) -> dict[int, int]:
    """Return `user_index` and raw id of users that have a list, from the busiest on.

    The users are cut into `count` parts of equal size by how much they rated; of each part the one
    with the lowest seeded hash is taken, and where a part has none, the next of the others.

    Args:
        lists: `user_id` of everyone with a list, any number of times.
        user_index: The index, one row a user: index 0 has the most ratings.
        num_users: Users in the index.
        seed: Another seed gives other users.
        count: Users to choose.
    """
    listed = lists.select(F.col(c.USER_ID).alias(c.ID)).distinct()
    part = F.floor(F.col(c.INDEX) * F.lit(count) / F.lit(num_users))
    draws = user_index.join(listed, on=c.ID, how="left_semi").select(
        c.ID,
        c.INDEX,
        part.alias(_PART),
        F.xxhash64(F.lit(seed), F.lit("report"), F.col(c.ID)).alias(_DRAW),
    )
    place = F.row_number().over(Window.partitionBy(_PART).orderBy(_DRAW, c.ID))
    chosen = draws.withColumn(_PLACE, place).orderBy(_PLACE, _PART).limit(count)
    return dict(sorted((row[c.INDEX], row[c.ID]) for row in chosen.collect()))


def describe_users(
    users: dict[int, int],
    known: DataFrame,
    test: DataFrame,
    lists: DataFrame,
    movies: Movies,
    *,
    num_buckets: int,
    length: int,
) -> list[Example]:
    """Return what these users liked and would get; only their rows leave the executors.

    Args:
        users: `user_index` to raw id.
        known: Ratings that the lists leave out, with the columns of train.
        test: The ratings held out.
        lists: One model's top-N lists.
        movies: The indexed movies.
        num_buckets: Buckets of users; of others than these users' nothing is read.
        length: Most entries of a list, of either kind.
    """
    ratings = [_fetch(_rows_of(frame, users, num_buckets)) for frame in (known, test)]
    raw_ids = list(users.values())
    top = _fetch(lists.where(F.col(c.USER_ID).isin(raw_ids) & (F.col(c.RANK) <= length)))
    titles = movies.by_id()
    examples = []
    for index, user_id in users.items():
        mine, held_out = (frame[frame[c.USER_INDEX] == index] for frame in ratings)
        liked = mine.sort_values(
            [c.RATING, c.RATED_DAY, c.MOVIE_INDEX], ascending=[False, False, True]
        )
        given = dict(_pairs(held_out, c.MOVIE_INDEX, c.RATING))
        given_by_id = {int(movies.ids[movie]): rating for movie, rating in given.items()}
        chosen = top[top[c.USER_ID] == user_id].sort_values(c.RANK)
        examples.append(
            Example(
                user_id=user_id,
                num_ratings=len(mine),
                liked=[
                    (movies.labels[movie], rating)
                    for movie, rating in _pairs(liked.head(length), c.MOVIE_INDEX, c.RATING)
                ],
                listed=[
                    Listed(titles[movie], score, given_by_id.get(movie))
                    for movie, score in _pairs(chosen, c.MOVIE_ID, c.SCORE)
                ],
            )
        )
    return examples


def _pairs(frame: pd.DataFrame, key: str, value: str) -> list[tuple[int, float]]:
    return list(zip(frame[key].tolist(), frame[value].tolist(), strict=True))


def _rows_of(ratings: DataFrame, users: dict[int, int], num_buckets: int) -> DataFrame:
    buckets = sorted({user % num_buckets for user in users})
    # The first condition leaves whole folders unread.
    chosen = F.col(c.BUCKET).isin(buckets) & F.col(c.USER_INDEX).isin(list(users))
    return ratings.where(chosen).select(c.USER_INDEX, c.MOVIE_INDEX, c.RATING, c.RATED_DAY)


def _fetch(frame: DataFrame) -> pd.DataFrame:
    return cast(pd.DataFrame, frame.toPandas())
