"""All statistics of the ratings as one dict, the content of `statistics.json`."""

from __future__ import annotations

from typing import Any, cast

import pandas as pd
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recspark.contract import columns as c
from recspark.explore import aggregates
from recspark.explore.summaries import (
    Record,
    count_per_day,
    moments,
    share_ratings,
    summarise_activity,
    summarise_deciles,
    summarise_months,
)

NUM_TOP = 20
BINS_PER_STAR = 10


def compute_statistics(ratings: DataFrame, movies: DataFrame) -> dict[str, Any]:
    """Return the statistics, ready for JSON; means and deviations are in rating units.

    This shuffles the ratings three times: by day and rating, by user, and by movie. The executors
    keep one row per user and one per movie for a second pass.

    Args:
        ratings: The `ratings` data set, at least one row; repeats of a (user, movie) each count.
        movies: The `movies` data set, one row per movie; it may be empty.

    Returns:
        `counts` (totals), `rating_shares`, `days`, `months`, `per_movie` and `per_user` (mean,
        quantiles and histogram of the number of ratings; histogram of the mean ratings),
        `release_years`, `popularity_deciles`, `top_by_ratings`, `top_by_shrunken_mean`, and
        `shrunken_mean_weight`: how many ratings equal to the overall mean are added to each movie
        for the last list. It is the median number of ratings per movie.
    """
    days = _fetch(aggregates.count_by_day(ratings))
    by_movie = aggregates.count_by_member(ratings, c.MOVIE_ID).persist()
    by_user = aggregates.count_by_member(ratings, c.USER_ID).persist()
    try:
        movie_activity = _fetch(aggregates.count_activity(by_movie))
        user_activity = _fetch(aggregates.count_activity(by_user))
        _, mean, _ = moments(days)
        per_movie = summarise_activity(movie_activity)
        weight = per_movie["quantiles"]["50 %"]
        shrunken = aggregates.shrunken_mean(mean, weight)
        return {
            "counts": _count(
                days,
                users=int(user_activity[c.NUM_MEMBERS].sum()),
                movies=int(movie_activity[c.NUM_MEMBERS].sum()),
                movies_without_ratings=aggregates.count_unmatched(movies, by_movie),
                movies_without_title=aggregates.count_unmatched(by_movie, movies),
            ),
            "rating_shares": share_ratings(days),
            "days": count_per_day(days),
            "months": summarise_months(days),
            "per_movie": {**per_movie, "means": _mean_histogram(by_movie)},
            "per_user": {**summarise_activity(user_activity), "means": _mean_histogram(by_user)},
            "release_years": _release_years(movies),
            "popularity_deciles": summarise_deciles(movie_activity),
            "top_by_ratings": _top(by_movie, movies, F.col(c.NUM_RATINGS), mean, weight),
            "top_by_shrunken_mean": _top(by_movie, movies, shrunken, mean, weight),
            "shrunken_mean_weight": weight,
        }
    finally:
        by_movie.unpersist()
        by_user.unpersist()


def _fetch(aggregate: DataFrame) -> pd.DataFrame:
    """Collect a small DataFrame on the driver."""
    return cast(pd.DataFrame, aggregate.toPandas())


def _count(
    days: pd.DataFrame,
    *,
    users: int,
    movies: int,
    movies_without_ratings: int,
    movies_without_title: int,
) -> Record:
    """Return the totals; `first_day` and `last_day` are None if no rating has a time.

    `sparsity` is the share of (user, rated movie) cells without a rating if no rating repeats; with
    repeats the true share is higher, and it is 0 where ratings outnumber cells.
    """
    num_ratings, mean, deviation = moments(days)
    per_day = count_per_day(days)
    return {
        "ratings": num_ratings,
        "users": users,
        "movies": movies,
        "movies_without_ratings": movies_without_ratings,
        "movies_without_title": movies_without_title,
        "ratings_without_time": num_ratings - sum(row["ratings"] for row in per_day),
        "first_day": per_day[0]["day"] if per_day else None,
        "last_day": per_day[-1]["day"] if per_day else None,
        "mean_rating": mean,
        "std_rating": deviation,
        "sparsity": max(1 - num_ratings / (users * movies), 0.0),
    }


def _mean_histogram(members: DataFrame) -> list[Record]:
    """Return the number of members per bin of mean ratings; `mean` is the middle of the bin."""
    bins = _fetch(aggregates.count_means(members, BINS_PER_STAR)).sort_values(c.BIN)
    return [
        {"mean": int(number) / BINS_PER_STAR, "members": int(count)}
        for number, count in zip(bins[c.BIN], bins[c.NUM_MEMBERS], strict=True)
    ]


def _release_years(movies: DataFrame) -> list[Record]:
    """Return numbers of listed movies by release year, ascending, unknown years (null) last."""
    counted = aggregates.count_release_years(movies).collect()
    rows = [(row[c.YEAR], row[c.NUM_MEMBERS]) for row in counted]
    rows.sort(key=lambda row: (row[0] is None, row[0] or 0))
    return [{"year": year, "movies": count} for year, count in rows]


def _top(
    rated: DataFrame, movies: DataFrame, order: Column, overall_mean: float, weight: int
) -> list[Record]:
    """Return the best movies by `order`. Title and year are null if a movie is not listed."""
    rows = aggregates.top_movies(rated, movies, order, NUM_TOP).collect()
    return [
        {
            c.MOVIE_ID: row[c.MOVIE_ID],
            "title": row[c.TITLE],
            "year": row[c.YEAR],
            "ratings": row[c.NUM_RATINGS],
            "mean_rating": row[c.RATING_SUM] / row[c.NUM_RATINGS],
            "shrunken_mean": (row[c.RATING_SUM] + weight * overall_mean)
            / (row[c.NUM_RATINGS] + weight),
        }
        for row in rows
    ]
