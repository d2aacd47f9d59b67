"""Spark aggregates over `ratings` and `movies`, each small enough for the driver at any scale.

The size on the driver grows with days, rating values and distinct counts, but not with users.
Members (users or movies) are grouped by their number of ratings, and n ratings allow at most √(2n)
different numbers of ratings (14,177 for the Netflix set).
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recspark.arrays.ratings import SECONDS_A_DAY
from recspark.contract import columns as c


def count_by_day(ratings: DataFrame) -> DataFrame:
    """Return one row per (UTC day, rating value): `day`, `rating`, `num_ratings`.

    `day` counts from 1970-01-01, and is null for ratings without a time.
    """
    day = F.floor(F.unix_timestamp(c.RATED_AT) / F.lit(SECONDS_A_DAY)).cast("int").alias(c.DAY)
    return ratings.groupBy(day, c.RATING).agg(F.count(F.lit(1)).alias(c.NUM_RATINGS))


def count_by_member(ratings: DataFrame, member: str) -> DataFrame:
    """Return one row per user or movie: its id, `num_ratings` and `rating_sum`.

    Args:
        ratings: The `ratings` data set.
        member: The id column to group by, user_id or movie_id.
    """
    return ratings.groupBy(member).agg(
        F.count(F.lit(1)).alias(c.NUM_RATINGS), F.sum(c.RATING).alias(c.RATING_SUM)
    )


def count_activity(members: DataFrame) -> DataFrame:
    """Return one row per `num_ratings`: how many members have that many, and their `rating_sum`.

    Args:
        members: One row per user or movie, as `count_by_member` returns it.
    """
    return members.groupBy(c.NUM_RATINGS).agg(
        F.count(F.lit(1)).alias(c.NUM_MEMBERS), F.sum(c.RATING_SUM).alias(c.RATING_SUM)
    )


def count_means(members: DataFrame, bins_per_star: int) -> DataFrame:
    """Return one row per bin of members' mean ratings: `bin` and `num_members`.

    Bin b holds the means from (b − ½) / bins_per_star up to (b + ½) / bins_per_star.
    """
    mean = F.col(c.RATING_SUM) / F.col(c.NUM_RATINGS)
    bin_number = F.floor(mean * F.lit(bins_per_star) + F.lit(0.5)).cast("int").alias(c.BIN)
    return members.groupBy(bin_number).agg(F.count(F.lit(1)).alias(c.NUM_MEMBERS))


def count_release_years(movies: DataFrame) -> DataFrame:
    """Return one row per `year` (null if unknown) with its number of movies, `num_members`."""
    return movies.groupBy(c.YEAR).agg(F.count(F.lit(1)).alias(c.NUM_MEMBERS))


def count_unmatched(left: DataFrame, right: DataFrame) -> int:
    """Return how many movies of `left` are not in `right`."""
    return left.join(right, on=c.MOVIE_ID, how="left_anti").count()


def shrunken_mean(overall_mean: float, weight: float) -> Column:
    """Return a member's mean rating with `weight` further ratings of `overall_mean` added."""
    added = F.lit(weight * overall_mean)
    return (F.col(c.RATING_SUM) + added) / (F.col(c.NUM_RATINGS) + F.lit(float(weight)))


def top_movies(rated: DataFrame, movies: DataFrame, order: Column, num_top: int) -> DataFrame:
    """Return the `num_top` movies with the highest `order`, best first, ties by movie id.

    Args:
        rated: One row per rated movie, as `count_by_member` returns it.
        movies: The `movies` data set, one row per movie. A movie without a row gets a null title.
        order: The value to order by.
        num_top: Maximum number of rows.

    Returns:
        `movie_id`, `title`, `year`, `num_ratings`, `rating_sum`, one row per movie.
    """
    ranked = rated.withColumn(c.SCORE, order)
    ordering = (F.col(c.SCORE).desc(), F.col(c.MOVIE_ID))
    top = ranked.orderBy(*ordering).limit(num_top)
    return (
        top.join(movies, on=c.MOVIE_ID, how="left")
        .orderBy(*ordering)
        .select(c.MOVIE_ID, c.TITLE, c.YEAR, c.NUM_RATINGS, c.RATING_SUM)
    )
