"""A few real users: what they liked, and what a model recommends to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from recspark.contract import columns as c
from recspark.report.movies import Movies

Reasons = dict[tuple[Any, Any], list[tuple[str, float]]]
"""By user and listed movie: titles, and what each adds to the score."""

_TENTH, _PLACE, _DRAW, _PART = "_tenth", "_place", "_draw", "_part"


@dataclass(frozen=True)
class Listed:
    """A movie in a user's list."""

    title: str
    score: float
    """In rating units, not clipped."""
    given: float | None
    """The user's rating in test, or None if test has no such rating."""
    reasons: list[tuple[str, float]] = field(default_factory=list)
    """Titles of the user's history that add most to the score, each with what it adds."""


@dataclass(frozen=True)
class Example:
    """One user."""

    user_id: int | str
    num_ratings: int
    """Ratings in train and valid. The list leaves out these movies."""
    liked: list[tuple[str, float]]
    """Titles with the user's ratings, highest first, and the newest first among equals."""
    listed: list[Listed]
    """Best first."""
    popular: list[Listed] = field(default_factory=list)
    """What popularity lists, if the run has its lists."""


def choose_users(
    lists: DataFrame, user_index: DataFrame, *, num_users: int, seed: int, count: int
) -> dict[int, Any]:
    """Return `user_index` and raw id of users that have a list, busiest first.

    The users are divided by activity into `count` parts of equal size. The user with the lowest
    seeded hash is taken from each part. If no user of a part has a list, the next ones of the other
    parts are taken.

    Args:
        lists: Rows with the `user_id` of everyone who has a list. Ids may repeat.
        user_index: The index, one row per user; index 0 has the most ratings.
        num_users: Number of users in the index.
        seed: Another seed chooses other users.
        count: Number of users to choose.
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
    users: dict[int, Any],
    known: DataFrame,
    test: DataFrame,
    lists: DataFrame,
    movies: Movies,
    *,
    num_buckets: int,
    length: int,
    popular: DataFrame | None = None,
) -> list[Example]:
    """Return what these users liked and what they are recommended.

    Only the rows of these users leave the executors.

    Args:
        users: `user_index` to raw id.
        known: Ratings of movies that the lists leave out, with the columns of train.
        test: The held-out ratings.
        lists: One model's top-N lists, perhaps with reasons.
        movies: The indexed movies.
        num_buckets: Number of user buckets. Only the buckets of these users are read.
        length: Maximum number of entries in `liked` and in each list.
        popular: Popularity's lists.
    """
    ratings = [_fetch(_rows_of(frame, users, num_buckets)) for frame in (known, test)]
    raw_ids = list(users.values())
    is_shown = F.col(c.USER_ID).isin(raw_ids) & (F.col(c.RANK) <= length)
    top, others = (
        None if one is None else _fetch(one.where(is_shown).drop(c.REASONS))
        for one in (lists, popular)
    )
    titles = movies.by_id()
    reasons = _reasons_of(lists.where(is_shown), titles) if c.REASONS in lists.columns else {}
    examples = []
    for index, user_id in users.items():
        mine, held_out = (frame[frame[c.USER_INDEX] == index] for frame in ratings)
        liked = mine.sort_values(
            [c.RATING, c.RATED_AT, c.MOVIE_INDEX], ascending=[False, False, True]
        )
        given = dict(_pairs(held_out, c.MOVIE_INDEX, c.RATING))
        given_by_id = {movies.ids[movie]: rating for movie, rating in given.items()}
        examples.append(
            Example(
                user_id=user_id,
                num_ratings=len(mine),
                liked=[
                    (movies.labels[movie], rating)
                    for movie, rating in _pairs(liked.head(length), c.MOVIE_INDEX, c.RATING)
                ],
                listed=_list_of(top, user_id, titles, given_by_id, reasons),
                popular=_list_of(others, user_id, titles, given_by_id, {}),
            )
        )
    return examples


def _list_of(
    lists: pd.DataFrame | None,
    user_id: Any,
    titles: dict[Any, str],
    given: dict[Any, float],
    reasons: Reasons,
) -> list[Listed]:
    if lists is None:
        return []
    mine = lists[lists[c.USER_ID] == user_id].sort_values(c.RANK)
    return [
        Listed(titles[movie], score, given.get(movie), reasons.get((user_id, movie), []))
        for movie, score in _pairs(mine, c.MOVIE_ID, c.SCORE)
    ]


def _reasons_of(shown: DataFrame, titles: dict[Any, str]) -> Reasons:
    return {
        (row[c.USER_ID], row[c.MOVIE_ID]): [
            (titles[one[c.MOVIE_ID]], one[c.CONTRIBUTION]) for one in row[c.REASONS]
        ]
        for row in shown.select(c.USER_ID, c.MOVIE_ID, c.REASONS).collect()
    }


def _pairs(frame: pd.DataFrame, key: str, value: str) -> list[tuple[Any, float]]:
    return list(zip(frame[key].tolist(), frame[value].tolist(), strict=True))


def _rows_of(ratings: DataFrame, users: dict[int, Any], num_buckets: int) -> DataFrame:
    buckets = sorted({user % num_buckets for user in users})
    # The first condition lets Spark skip whole folders.
    chosen = F.col(c.BUCKET).isin(buckets) & F.col(c.USER_INDEX).isin(list(users))
    return ratings.where(chosen).select(c.USER_INDEX, c.MOVIE_INDEX, c.RATING, c.RATED_AT)


def _fetch(frame: DataFrame) -> pd.DataFrame:
    return cast(pd.DataFrame, frame.toPandas())
