"""Spark aggregates over `ratings` and `movies`, each small enough for the driver at any scale.

What reaches the driver grows with days, rating values and distinct counts, never with users:
members (users or movies) are told apart only by how many ratings they have, and n ratings allow at
most √(2n) different numbers of ratings (14,177 for the Netflix set).
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recspark.contract import columns as c


def tally_days(ratings: DataFrame) -> DataFrame:
    """Return one row per (day, rating value): `rated_day` since 1970, `rating`, `num_ratings`."""
    day = F.datediff(c.RATED_ON, F.lit("1970-01-01").cast("date")).alias(c.RATED_DAY)
    return ratings.groupBy(day, c.RATING).agg(F.count(F.lit(1)).alias(c.NUM_RATINGS))


def tally_members(ratings: DataFrame, member: str) -> DataFrame:
    """Return one row per user or movie: its id, `num_ratings` and `rating_sum`.

    Args:
        ratings: The `ratings` data set.
        member: The id column to group by, user_id or movie_id.
    """
    return ratings.groupBy(member).agg(
        F.count(F.lit(1)).alias(c.NUM_RATINGS), F.sum(c.RATING).alias(c.RATING_SUM)
    )


def count_activity(tally: DataFrame) -> DataFrame:
    """Return one row per `num_ratings`: how many members have it, and their `rating_sum`.

    Args:
        tally: One row per user or movie, as `tally_members` returns it.
    """
    return tally.groupBy(c.NUM_RATINGS).agg(
        F.count(F.lit(1)).alias(c.NUM_MEMBERS), F.sum(c.RATING_SUM).alias(c.RATING_SUM)
    )


def count_means(tally: DataFrame, bins_per_star: int) -> DataFrame:
    """Return one row per bin of members' mean ratings: `bin` and `num_members`.

    Bin b holds the means from (b − ½) / bins_per_star up to (b + ½) / bins_per_star.
    """
    mean = F.col(c.RATING_SUM) / F.col(c.NUM_RATINGS)
    bin_number = F.floor(mean * F.lit(bins_per_star) + F.lit(0.5)).cast("int").alias(c.BIN)
    return tally.groupBy(bin_number).agg(F.count(F.lit(1)).alias(c.NUM_MEMBERS))


def count_release_years(movies: DataFrame) -> DataFrame:
    """Return one row per `year` (null where it is not known) with its `num_members` movies."""
    return movies.groupBy(c.YEAR).agg(F.count(F.lit(1)).alias(c.NUM_MEMBERS))


def count_unmatched(left: DataFrame, right: DataFrame) -> int:
    """Return how many movies of `left` are not in `right`."""
    return left.join(right, on=c.MOVIE_ID, how="left_anti").count()


def shrunken_mean(overall_mean: float, weight: float) -> Column:
    """Return a tally's mean rating, pulled to `overall_mean` as by `weight` further ratings."""
    pull = F.lit(weight * overall_mean)
    return (F.col(c.RATING_SUM) + pull) / (F.col(c.NUM_RATINGS) + F.lit(float(weight)))


def top_movies(tally: DataFrame, movies: DataFrame, order: Column, num_top: int) -> DataFrame:
    """Return the `num_top` movies with the highest `order`, ties by movie id, best first.

    Args:
        tally: One row per rated movie, as `tally_members` returns it.
        movies: The `movies` data set, one row per movie; a movie without one has a null title.
        order: What to order by.
        num_top: Rows to return, at most.

    Returns:
        `movie_id`, `title`, `year`, `num_ratings`, `rating_sum`, one row per movie.
    """
    ranked = tally.withColumn(c.SCORE, order)
    ordering = (F.col(c.SCORE).desc(), F.col(c.MOVIE_ID))
    top = ranked.orderBy(*ordering).limit(num_top)
    return (
        top.join(movies, on=c.MOVIE_ID, how="left")
        .orderBy(*ordering)
        .select(c.MOVIE_ID, c.TITLE, c.YEAR, c.NUM_RATINGS, c.RATING_SUM)
    )
