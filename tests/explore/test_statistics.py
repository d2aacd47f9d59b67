from __future__ import annotations

import datetime
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession

from recspark.contract import columns as c
from recspark.contract import schemas
from recspark.contract.schemas import IdTypes
from recspark.explore import aggregates
from recspark.explore.statistics import compute_statistics
from tests.explore import samples

# Movies 1 … 50 are listed, 49 and 50 without a year; 51 … 60 are rated but not listed.
TITLES = {movie: (1980 + movie % 9 if movie < 49 else None) for movie in range(1, 51)}


def to_spark(spark: SparkSession, ratings: pd.DataFrame, types: IdTypes | None = None) -> DataFrame:
    """Return ratings late in the evening of their days (UTC), or without a time."""
    evening = datetime.datetime(1970, 1, 1, 23, 59, 59, tzinfo=datetime.timezone.utc)
    rows = [
        (user, movie, float(rating), None if pd.isna(day) else evening + datetime.timedelta(day))
        for user, movie, rating, day in zip(
            ratings[c.USER_ID].tolist(),
            ratings[c.MOVIE_ID].tolist(),
            ratings[c.RATING],
            ratings[c.DAY].tolist(),
            strict=True,
        )
    ]
    return spark.createDataFrame(rows, schemas.RATINGS.with_ids(types or IdTypes()).ddl)


def movies_frame(spark: SparkSession, years: dict[int, int | None]) -> DataFrame:
    rows = [(movie, year, f"Title, of {movie}", None) for movie, year in years.items()]
    return spark.createDataFrame(rows, schemas.MOVIES.with_ids(IdTypes()).ddl)


@pytest.fixture(scope="module")
def ratings() -> pd.DataFrame:
    return samples.make_ratings(half_stars=True)


@pytest.fixture(scope="module")
def found(spark: SparkSession, ratings: pd.DataFrame) -> dict[str, Any]:
    return compute_statistics(to_spark(spark, ratings), movies_frame(spark, TITLES))


def test_counts(found: dict[str, Any], ratings: pd.DataFrame) -> None:
    rated = set(ratings[c.MOVIE_ID])
    users = ratings[c.USER_ID].nunique()
    expected = {
        "ratings": len(ratings),
        "users": users,
        "movies": len(rated),
        "movies_without_ratings": len(set(TITLES) - rated),
        "movies_without_title": len(rated - set(TITLES)),
        "first_day": str(np.datetime64(int(ratings[c.DAY].min()), "D")),
        "last_day": str(np.datetime64(int(ratings[c.DAY].max()), "D")),
    }
    counts = found["counts"]
    assert {name: counts[name] for name in expected} == expected
    assert expected["movies_without_title"] > 0
    matrix = ratings.pivot(index=c.USER_ID, columns=c.MOVIE_ID, values=c.RATING).to_numpy()
    assert counts["sparsity"] == pytest.approx(np.isnan(matrix).mean())
    assert counts["mean_rating"] == pytest.approx(np.nanmean(matrix))
    assert counts["std_rating"] == pytest.approx(np.nanstd(matrix))


def test_shares_days_and_months_come_from_all_rows(
    found: dict[str, Any], ratings: pd.DataFrame
) -> None:
    for name in ("rating_shares", "days", "months"):
        assert sum(row["ratings"] for row in found[name]) == len(ratings)
    per_day = ratings.groupby(c.DAY).size()
    days = [str(np.datetime64(int(day), "D")) for day in per_day.index]
    assert [(row["day"], row["ratings"]) for row in found["days"]] == list(
        zip(days, per_day, strict=True)
    )


@pytest.mark.parametrize("part", ["per_user", "per_movie"])
def test_activity_and_means(found: dict[str, Any], ratings: pd.DataFrame, part: str) -> None:
    member = c.USER_ID if part == "per_user" else c.MOVIE_ID
    each = ratings.astype({c.RATING: "float64"}).groupby(member)[c.RATING]
    sizes = each.size().to_numpy()
    assert found[part]["quantiles"]["50 %"] == np.quantile(sizes, 0.5, method="inverted_cdf")
    assert found[part]["quantiles"]["max"] == sizes.max()
    assert sum(row["members"] for row in found[part]["histogram"]) == len(sizes)

    # The middle of the bin is the mean rounded to one decimal, halves up.
    rounded = pd.Series(np.floor(each.mean().to_numpy() * 10 + 0.5) / 10)
    bins = rounded.value_counts().sort_index()
    rows = found[part]["means"]
    assert [row["mean"] for row in rows] == pytest.approx(bins.index.tolist())
    assert [row["members"] for row in rows] == bins.tolist()


def test_release_years(found: dict[str, Any]) -> None:
    years = pd.Series([year for year in TITLES.values() if year]).value_counts().sort_index()
    expected = [{"year": int(year), "movies": int(count)} for year, count in years.items()]
    assert found["release_years"] == [*expected, {"year": None, "movies": 2}]


def test_top_lists(found: dict[str, Any], ratings: pd.DataFrame) -> None:
    each = ratings.astype({c.RATING: "float64"}).groupby(c.MOVIE_ID)[c.RATING]
    table = each.agg(["size", "sum", "mean"])
    weight = np.quantile(table["size"], 0.5, method="inverted_cdf")
    overall = ratings[c.RATING].astype("float64").mean()
    table["shrunken"] = (table["sum"] + weight * overall) / (table["size"] + weight)
    assert found["shrunken_mean_weight"] == weight
    for name, column in (("top_by_ratings", "size"), ("top_by_shrunken_mean", "shrunken")):
        best = table.reset_index().sort_values([column, c.MOVIE_ID], ascending=[False, True])
        rows = found[name]
        assert [row[c.MOVIE_ID] for row in rows] == best[c.MOVIE_ID].head(20).tolist()
        for row in rows:
            wanted = table.loc[row[c.MOVIE_ID]]
            assert row["ratings"] == wanted["size"]
            assert row["mean_rating"] == pytest.approx(wanted["mean"])
            assert row["shrunken_mean"] == pytest.approx(wanted["shrunken"])
            listed = row[c.MOVIE_ID] in TITLES
            assert row["title"] == (f"Title, of {row[c.MOVIE_ID]}" if listed else None)
            assert row["year"] == TITLES.get(row[c.MOVIE_ID])


def test_statistics_are_plain_json(found: dict[str, Any]) -> None:
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_without_titles(spark: SparkSession, ratings: pd.DataFrame) -> None:
    found = compute_statistics(to_spark(spark, ratings), movies_frame(spark, {}))
    assert found["release_years"] == []
    assert found["counts"]["movies_without_title"] == found["counts"]["movies"]
    assert {row["title"] for row in found["top_by_ratings"]} == {None}


def test_text_ids_and_ratings_without_a_time(spark: SparkSession, ratings: pd.DataFrame) -> None:
    named = ratings.assign(
        **{name: [f"{name} <{one}>" for one in ratings[name]] for name in (c.USER_ID, c.MOVIE_ID)}
    )
    types = IdTypes("STRING", "STRING")
    movies = spark.createDataFrame(
        [("movie_id <1>", 1999, None, None)], schemas.MOVIES.with_ids(types).ddl
    )
    untimed = named.assign(**{c.DAY: named[c.DAY].astype(float).where(named.index % 3 > 0)})
    found = compute_statistics(to_spark(spark, untimed, types), movies)
    days = untimed[c.DAY].dropna()
    assert found["counts"]["ratings_without_time"] == len(ratings) - len(days)
    assert sum(row["ratings"] for row in found["days"]) == len(days)
    assert found["counts"]["last_day"] == str(np.datetime64(int(days.max()), "D"))
    assert found["counts"]["ratings"] == len(ratings)
    most = ratings[c.MOVIE_ID].value_counts().max()
    assert found["top_by_ratings"][0]["ratings"] == most
    assert isinstance(found["top_by_ratings"][0][c.MOVIE_ID], str)
    none = compute_statistics(to_spark(spark, named.assign(**{c.DAY: float("nan")}), types), movies)
    assert (none["days"], none["months"], none["counts"]["first_day"]) == ([], [], None)
    assert json.loads(json.dumps(none, allow_nan=False)) == none


def test_events_may_outnumber_the_cells(spark: SparkSession, ratings: pd.DataFrame) -> None:
    repeated = pd.concat([ratings.head(1)] * 3)
    found = compute_statistics(to_spark(spark, repeated), movies_frame(spark, TITLES))
    assert (found["counts"]["ratings"], found["counts"]["sparsity"]) == (3, 0)


def test_a_single_rating(spark: SparkSession, ratings: pd.DataFrame) -> None:
    found = compute_statistics(to_spark(spark, ratings.head(1)), movies_frame(spark, TITLES))
    assert found["counts"]["ratings"] == 1
    assert found["counts"]["sparsity"] == 0
    assert set(found["per_user"]["quantiles"].values()) == {1}


def test_activity_is_bounded_by_distinct_counts(spark: SparkSession) -> None:
    # 1,000 users with two ratings each give one row, not a thousand.
    cells = [(user, movie, 3.0, 12_000) for user in range(1000) for movie in (1, 2)]
    names = [c.USER_ID, c.MOVIE_ID, c.RATING, c.DAY]
    frame = to_spark(spark, pd.DataFrame(cells, columns=names))
    rows = aggregates.count_activity(aggregates.count_by_member(frame, c.USER_ID)).collect()
    assert [row.asDict() for row in rows] == [
        {c.NUM_RATINGS: 2, c.NUM_MEMBERS: 1000, c.RATING_SUM: 6000.0}
    ]
