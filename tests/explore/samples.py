"""Ratings from a seeded generator, and statistics computed from them without Spark."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from recspark.contract import columns as c
from recspark.explore import summaries


def make_ratings(
    num_rows: int = 400, *, half_stars: bool = False, seed: int = 7, scale: int = 1
) -> pd.DataFrame:
    """Return rows of distinct (user, movie) pairs. A few users and movies have most of them.

    Args:
        num_rows: Approximate minimum number of rows.
        half_stars: Whether ratings are in half stars.
        seed: Seed of the generator.
        scale: Multiplies 40 users and 60 movies.
    """
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            c.USER_ID: (scale * 40 * draw.random(num_rows * 2) ** 2).astype(int) * 3 + 6,
            c.MOVIE_ID: (scale * 60 * draw.random(num_rows * 2) ** 2).astype(int) + 1,
        }
    ).drop_duplicates()
    size = len(frame)
    frame[c.RATING] = draw.integers(1, 11, size) / 2 if half_stars else draw.integers(1, 6, size)
    frame[c.RATING] = frame[c.RATING].astype("float32")
    frame[c.DAY] = 12_000 + (400 * draw.random(size)).astype(int)
    return frame.reset_index(drop=True)


def count_by_day(ratings: pd.DataFrame) -> pd.DataFrame:
    counts = ratings.groupby([c.DAY, c.RATING], dropna=False).size()
    return counts.rename(c.NUM_RATINGS).reset_index()


def count_activity(ratings: pd.DataFrame, member: str) -> pd.DataFrame:
    each = ratings.groupby(member)[c.RATING].agg(["size", "sum"])
    grouped = each.groupby("size")["sum"].agg(["size", "sum"]).reset_index(names=c.NUM_RATINGS)
    return grouped.rename(columns={"size": c.NUM_MEMBERS, "sum": c.RATING_SUM})


def count_means(ratings: pd.DataFrame, member: str) -> list[dict[str, Any]]:
    bins = (ratings.groupby(member)[c.RATING].mean() * 10).round().astype(int).value_counts()
    return [{"mean": bin_ / 10, "members": int(n)} for bin_, n in sorted(bins.items())]


def make_statistics(ratings: pd.DataFrame, titles: dict[int, str]) -> dict[str, Any]:
    """Return the content of `statistics.json`, with invented top lists."""
    days = count_by_day(ratings)
    num_ratings, mean, deviation = summaries.moments(days)
    per_movie = summaries.summarise_activity(count_activity(ratings, c.MOVIE_ID))
    per_user = summaries.summarise_activity(count_activity(ratings, c.USER_ID))
    per_day = summaries.count_per_day(days)
    top = [
        {
            c.MOVIE_ID: movie,
            "title": title,
            "year": 1990 + movie,
            "ratings": 10,
            "mean_rating": 3.5,
            "shrunken_mean": 3.4,
        }
        for movie, title in titles.items()
    ]
    return {
        "counts": {
            "ratings": num_ratings,
            "users": ratings[c.USER_ID].nunique(),
            "movies": ratings[c.MOVIE_ID].nunique(),
            "movies_without_ratings": 1,
            "movies_without_title": 2,
            "ratings_without_time": int(ratings[c.DAY].isna().sum()),
            "first_day": per_day[0]["day"] if per_day else None,
            "last_day": per_day[-1]["day"] if per_day else None,
            "mean_rating": mean,
            "std_rating": deviation,
            "sparsity": 0.9,
        },
        "rating_shares": summaries.share_ratings(days),
        "days": per_day,
        "months": summaries.summarise_months(days),
        "per_movie": {**per_movie, "means": count_means(ratings, c.MOVIE_ID)},
        "per_user": {**per_user, "means": count_means(ratings, c.USER_ID)},
        "release_years": [
            *({"year": year, "movies": 1 + year % 7} for year in range(1950, 2005)),
            {"year": None, "movies": 7},
        ],
        "popularity_deciles": summaries.summarise_deciles(count_activity(ratings, c.MOVIE_ID)),
        "top_by_ratings": top,
        "top_by_shrunken_mean": top,
        "shrunken_mean_weight": 12,
    }
