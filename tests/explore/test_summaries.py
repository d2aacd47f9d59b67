from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recspark.contract import columns as c
from recspark.explore import summaries
from tests.explore import samples

NUMBERS = st.lists(st.integers(1, 5000), min_size=1, max_size=80)


def activity_of(numbers: list[int]) -> pd.DataFrame:
    """Return the activity of members with these numbers of ratings, all of 3 stars, as by Spark."""
    sizes, members = np.unique(numbers, return_counts=True)
    sums = 3.0 * sizes * members
    table = {c.NUM_RATINGS: sizes, c.NUM_MEMBERS: members, c.RATING_SUM: sums}
    return pd.DataFrame(table).sample(frac=1, random_state=1)


@given(NUMBERS)
def test_quantiles_equal_those_of_numpy_over_all_members(numbers: list[int]) -> None:
    found = summaries.summarise_activity(activity_of(numbers))
    shares = [0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1]
    expected = np.quantile(numbers, shares, method="inverted_cdf")
    assert list(found["quantiles"].values()) == expected.tolist()
    assert list(found["quantiles"])[4] == "50 %"
    assert found["mean"] == pytest.approx(np.mean(numbers))


@given(NUMBERS)
def test_histogram_has_every_member_once_in_adjacent_bins(numbers: list[int]) -> None:
    rows = summaries.summarise_activity(activity_of(numbers))["histogram"]
    for row in rows:
        inside = [number for number in numbers if row["from"] <= number <= row["to"]]
        assert row["members"] == len(inside)
    assert sum(row["members"] for row in rows) == len(numbers)
    for left, right in itertools.pairwise(rows):
        assert right["from"] == left["to"] + 1
    assert rows[0]["members"] > 0
    assert rows[-1]["members"] > 0


def test_log_edges() -> None:
    assert summaries.log_edges(1).tolist() == [1, 2]
    assert summaries.log_edges(10).tolist() == [1, 2, 3, 5, 7, 10, 15]
    assert summaries.log_edges(149).tolist()[-3:] == [68, 100, 150]
    assert summaries.log_edges(150).tolist()[-3:] == [100, 150, 220]


@pytest.mark.parametrize("half_stars", [False, True])
def test_shares_days_and_months_against_pandas(half_stars: bool) -> None:
    ratings = samples.make_ratings(half_stars=half_stars)
    days = samples.count_by_day(ratings)
    shares = ratings[c.RATING].value_counts(normalize=True).sort_index()
    found = summaries.share_ratings(days)
    assert [row["rating"] for row in found] == shares.index.tolist()
    assert [row["share"] for row in found] == pytest.approx(shares.tolist())
    assert len(found) == (10 if half_stars else 5)

    dates = pd.to_datetime(ratings[c.DAY], unit="D")
    per_day = ratings.groupby(dates.dt.strftime("%Y-%m-%d")).size()
    expected_days = [{"day": day, "ratings": count} for day, count in per_day.items()]
    assert summaries.count_per_day(days) == expected_days

    by_month = ratings.astype({c.RATING: "float64"}).groupby(dates.dt.strftime("%Y-%m"))[c.RATING]
    months = summaries.summarise_months(days)
    assert [row["month"] for row in months] == list(by_month.groups)
    assert [row["ratings"] for row in months] == by_month.size().tolist()
    assert [row["mean_rating"] for row in months] == pytest.approx(by_month.mean().tolist())
    assert [row["std"] for row in months] == pytest.approx(by_month.std(ddof=0).tolist())


def test_days_before_1970_keep_their_date() -> None:
    days = pd.DataFrame({c.DAY: [-1, -36_524], c.RATING: [3.0, 4.0], c.NUM_RATINGS: [1, 2]})
    assert summaries.count_per_day(days) == [
        {"day": "1870-01-01", "ratings": 2},
        {"day": "1969-12-31", "ratings": 1},
    ]
    assert [row["month"] for row in summaries.summarise_months(days)] == ["1870-01", "1969-12"]


def test_ratings_without_a_time_are_in_no_day_and_no_month() -> None:
    days = pd.DataFrame({c.DAY: [0.0, np.nan], c.RATING: [3.0, 4.0], c.NUM_RATINGS: [1, 2]})
    assert summaries.count_per_day(days) == [{"day": "1970-01-01", "ratings": 1}]
    assert [row["ratings"] for row in summaries.summarise_months(days)] == [1]
    assert [row["ratings"] for row in summaries.share_ratings(days)] == [1, 2]
    none = days[days[c.DAY].isna()]
    assert summaries.count_per_day(none) == summaries.summarise_months(none) == []


def test_deciles_of_twenty_movies_are_pairs() -> None:
    # Movies with 1 … 20 ratings; tenth d holds those with 2d − 1 and 2d.
    rows = summaries.summarise_deciles(activity_of(list(range(1, 21))))
    assert [(row["fewest"], row["most"]) for row in rows] == [(n, n + 1) for n in range(1, 20, 2)]
    assert [row["movies"] for row in rows] == [2] * 10
    assert rows[9]["share"] == pytest.approx(39 / 210)
    assert all(row["mean_rating"] == pytest.approx(3.0) for row in rows)


def test_deciles_keep_ties_together() -> None:
    # Eight movies have one rating; their middle rank is 4 of 10. Two more have 5 and 9 ratings.
    rows = summaries.summarise_deciles(activity_of([1] * 8 + [5, 9]))
    assert [(row["decile"], row["movies"], row["ratings"]) for row in rows] == [
        (5, 8, 8),
        (9, 1, 5),
        (10, 1, 9),
    ]


def test_decile_means_are_weighted_by_ratings() -> None:
    activity = pd.DataFrame(
        {c.NUM_RATINGS: [2, 4], c.NUM_MEMBERS: [1, 1], c.RATING_SUM: [10.0, 4.0]}
    )
    assert [row["mean_rating"] for row in summaries.summarise_deciles(activity)] == [5.0, 1.0]
