"""The texts of each part of the page: a heading with the finding, an explanation, and tables."""

from __future__ import annotations

import math
from typing import Any

from recspark.contract import columns as c
from recspark.page.certainty import MIN_COUNT, quantile
from recspark.page.panel import Panel
from recspark.page.tables import (
    Column,
    Table,
    clip,
    make_table,
    number,
    percent,
    plain,
    stars,
    whole,
)

Statistics = dict[str, Any]

_RATINGS = Column("ratings", "Ratings", whole)
_MEAN = Column("mean_rating", "Mean rating", stars)
_FEW = f"Grey: fewer than {MIN_COUNT} ratings, too few for a conclusion."
_SHRUNKEN = Column("shrunken_mean", "Shrunken mean", stars)
# Of an id: a UUID has 36.
_MOST_LETTERS = 40
_MOVIE = (
    Column("title", "Title", plain, is_text=True),
    Column("year", "Year", plain),
)


def make_panels(statistics: Statistics) -> list[Panel]:
    """Return the parts of the page in reading order. Each may have a plot of the same name."""
    return [
        _ratings(statistics),
        _days(statistics),
        _months(statistics),
        _activity(statistics, "movie"),
        _activity(statistics, "user"),
        _means(statistics),
        _decile_shares(statistics),
        _decile_means(statistics),
        _years(statistics),
        *_top(statistics),
    ]


def _ratings(statistics: Statistics) -> Panel:
    rows = statistics["rating_shares"]
    most = max(rows, key=lambda row: row["share"])
    return Panel(
        "ratings",
        f"{number(most['rating'], 'g')} stars is the most frequent rating: "
        f"{percent(most['share'])} of all ratings",
        "Share of each rating value.",
        [
            make_table(
                "Ratings by value",
                rows,
                Column("rating", "Stars", lambda value: number(value, "g")),
                _RATINGS,
                Column("share", "Share", percent),
            )
        ],
    )


_NO_TIMES = "No rating has a time"
_WHY_NO_TIMES = "The source has no times, or no setting names their column."


def _count_untimed(statistics: Statistics) -> str:
    """Return a sentence on the ratings without a time, nothing if there are none."""
    untimed = statistics["counts"]["ratings_without_time"]
    return f" {whole(untimed)} ratings without a time are left out." if untimed else ""


def _days(statistics: Statistics) -> Panel:
    rows = statistics["days"]
    if not rows:
        return Panel("days", f"{_NO_TIMES}: no ratings by day", _WHY_NO_TIMES)
    most = max(rows, key=lambda row: row["ratings"])
    return Panel(
        "days",
        f"Ratings per day reach {whole(most['ratings'])}, on {most['day']}",
        "Ratings on every day (UTC) from the first to the last; days without a rating count as 0."
        + _count_untimed(statistics),
        [make_table("Ratings by day", rows, Column("day", "Day", plain, is_text=True), _RATINGS)],
    )


def _months(statistics: Statistics) -> Panel:
    rows = statistics["months"]
    if not rows:
        return Panel("months", f"{_NO_TIMES}: no means by month", _WHY_NO_TIMES)
    return Panel(
        "months",
        _trend_heading("The mean rating goes", rows, statistics, "month"),
        "Mean rating per month. The bars show how far chance alone moves the mean of that many "
        f"ratings (95%). {_FEW}{_count_untimed(statistics)}",
        [
            make_table(
                "Ratings by month",
                rows,
                Column("month", "Month", plain, is_text=True),
                _RATINGS,
                _MEAN,
                Column("std", "Standard deviation", stars),
                is_few=is_few,
            )
        ],
    )


def is_few(row: dict[str, Any]) -> bool:
    """Return whether a mean is based on too few ratings for a conclusion."""
    return bool(row["ratings"] < MIN_COUNT)


def _trend_heading(what: str, rows: list[dict[str, Any]], statistics: Statistics, key: str) -> str:
    """Return a heading that compares the means of the first and last rows with enough ratings."""
    name, prefix = ("month", "") if key == "month" else ("tenth", "tenth ")
    large = [row for row in rows if not is_few(row)]
    if len(large) < 2:
        return f"Too few ratings to compare the mean of one {name} with that of another"
    first, last = large[0], large[-1]
    ends = [
        f"{stars(row['mean_rating'])} in {prefix}{row[key]} (n = {whole(row['ratings'])})"
        for row in (first, last)
    ]
    deviation = statistics["counts"]["std_rating"]
    apart = quantile() * deviation * math.hypot(*(row["ratings"] ** -0.5 for row in (first, last)))
    if abs(last["mean_rating"] - first["mean_rating"]) <= apart:
        return f"{what} from {ends[0]} to {ends[1]}: no more than chance"
    return f"{what} from {ends[0]} to {ends[1]}"


def _activity(statistics: Statistics, member: str) -> Panel:
    found = statistics[f"per_{member}"]
    quantiles = found["quantiles"]
    top = "most rated" if member == "movie" else "busiest"
    return Panel(
        f"{member}s",
        f"Half of the {member}s have {whole(quantiles['50 %'])} ratings or fewer, "
        f"the {top} {whole(quantiles['max'])}",
        f"{member.capitalize()}s by their number of ratings, in bins of about equal width on the "
        f"log axis. The mean is {found['mean']:,.1f} ratings.",
        [
            make_table(
                "Quantiles",
                [
                    {"quantile": name.replace(" %", "%"), "ratings": value}
                    for name, value in quantiles.items()
                ],
                Column("quantile", f"Share of {member}s", plain, is_text=True),
                Column("ratings", "Ratings at most", whole),
            ),
            make_table(
                f"{member.capitalize()}s by number of ratings",
                found["histogram"],
                Column("from", "Ratings from", whole),
                Column("to", "to", whole),
                Column("members", f"{member.capitalize()}s", whole),
            ),
        ],
    )


def _means(statistics: Statistics) -> Panel:
    mean = Column("mean", "Mean rating (middle of bin)", lambda value: number(value, ".1f"))
    users, movies = (_median(statistics[part]["means"]) for part in ("per_user", "per_movie"))
    counts = statistics["counts"]
    return Panel(
        "means",
        f"Half of the {whole(counts['users'])} users give {users} stars or more on average, half "
        f"of the {whole(counts['movies'])} movies get {movies} or more",
        "Every user and every movie counts once, with the mean of its ratings, in bins of 0.1. "
        "Any peaks at whole stars come from users and movies with very few ratings.",
        [
            make_table(
                f"{member.capitalize()}s by mean rating",
                statistics[f"per_{member}"]["means"],
                mean,
                Column("members", f"{member.capitalize()}s", whole),
            )
            for member in ("user", "movie")
        ],
    )


def _median(bins: list[dict[str, Any]]) -> str:
    """Return the middle of the bin that contains the median member."""
    half, passed = sum(row["members"] for row in bins) / 2, 0
    for row in bins:
        passed += row["members"]
        if passed >= half:
            return number(row["mean"], ".1f")
    raise AssertionError("half of the members lie in some bin")


def _decile_shares(statistics: Statistics) -> Panel:
    rows = statistics["popularity_deciles"]
    return Panel(
        "decile_shares",
        f"The most rated tenth of the movies ({whole(rows[-1]['movies'])}) has "
        f"{percent(rows[-1]['share'])} of all ratings",
        "Movies are ordered by their number of ratings and divided into tenths. Movies with the "
        "same number stay together, so tenths can differ in size and one can be missing.",
        [_decile_table(rows)],
    )


def _decile_means(statistics: Statistics) -> Panel:
    rows = statistics["popularity_deciles"]
    return Panel(
        "decile_means",
        _trend_heading(
            "From the least to the most rated movies, the mean goes", rows, statistics, "decile"
        ),
        "Mean of all ratings in each tenth of the movies (10: the most rated). The bars show how "
        f"far chance alone moves the mean of that many ratings (95%). {_FEW}",
        [_decile_table(rows)],
    )


def _decile_table(rows: list[dict[str, Any]]) -> Table:
    return make_table(
        "Tenths of the movies",
        rows,
        Column("decile", "Tenth", plain),
        Column("movies", "Movies", whole),
        Column("fewest", "Fewest ratings", whole),
        Column("most", "Most ratings", whole),
        _RATINGS,
        Column("share", "Share", percent),
        _MEAN,
        is_few=is_few,
    )


def _years(statistics: Statistics) -> Panel:
    rows = statistics["release_years"]
    known = [row for row in rows if row["year"] is not None]
    unknown = sum(row["movies"] for row in rows) - sum(row["movies"] for row in known)
    if not known:
        heading = "No release years are known"
    else:
        most = max(known, key=lambda row: row["movies"])
        heading = (
            f"{most['year']} has the most movies of all release years: {whole(most['movies'])}"
        )
    return Panel(
        "years",
        heading,
        f"All listed movies, rated or not; {whole(unknown)} of them have no year.",
        [
            make_table(
                "Movies by release year",
                rows,
                Column("year", "Year", plain),
                Column("movies", "Movies", whole),
            )
        ],
    )


def _top(statistics: Statistics) -> list[Panel]:
    most, best = statistics["top_by_ratings"], statistics["top_by_shrunken_mean"]
    weight = statistics["shrunken_mean_weight"]
    return [
        Panel(
            "most_rated",
            f"The {len(most)} movies with the most ratings",
            "Ties go to the smaller id.",
            [_movie_table("Most rated movies", most, _RATINGS, _MEAN)],
        ),
        Panel(
            "best_rated",
            f"The {len(best)} movies with the highest shrunken mean",
            f"Each movie's mean is computed as if it had {whole(weight)} further ratings equal to "
            "the mean of all ratings. That is as many as the median movie has. So a few high "
            "ratings do not win.",
            [_movie_table("Best rated movies", best, _SHRUNKEN, _MEAN, _RATINGS)],
        ),
    ]


def _write_id(movie: object) -> str:
    return clip(str(movie), _MOST_LETTERS)


def _movie_table(title: str, rows: list[dict[str, Any]], *figures: Column) -> Table:
    is_text = any(isinstance(row[c.MOVIE_ID], str) for row in rows)
    identity = Column(c.MOVIE_ID, "Id", _write_id, is_text=is_text)
    return make_table(title, rows, identity, *_MOVIE, *figures)
