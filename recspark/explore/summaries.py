"""Statistics computed with NumPy and pandas from the small tables of the Spark aggregates.

Every function returns plain numbers, lists and dicts, ready for JSON.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from recspark.contract import columns as c

Record = dict[str, Any]

# The percentage of members behind each quantile.
QUANTILES = {
    "min": 0,
    "1 %": 1,
    "5 %": 5,
    "25 %": 25,
    "50 %": 50,
    "75 %": 75,
    "95 %": 95,
    "99 %": 99,
    "max": 100,
}
# Six bins per power of ten, of nearly equal width on a log axis.
_STEPS = (1, 1.5, 2.2, 3.2, 4.6, 6.8)
NUM_DECILES = 10


def share_ratings(days: pd.DataFrame) -> list[Record]:
    """Return the number and share of ratings by rating value, ascending.

    Args:
        days: `day`, `rating`, `num_ratings`, one row per day and rating value.
    """
    sums = days.groupby(c.RATING)[c.NUM_RATINGS].sum()
    total = sums.sum()
    return [
        {"rating": float(rating), "ratings": int(count), "share": float(count / total)}
        for rating, count in sums.items()
    ]


def count_per_day(days: pd.DataFrame) -> list[Record]:
    """Return the number of ratings by day (YYYY-MM-DD), without days that have none.

    Ratings without a time are left out.
    """
    sums = days.dropna(subset=c.DAY).groupby(c.DAY)[c.NUM_RATINGS].sum()
    dates = sums.index.to_numpy().astype("int64").astype("datetime64[D]")
    return [
        {"day": str(day), "ratings": int(count)} for day, count in zip(dates, sums, strict=True)
    ]


def summarise_months(days: pd.DataFrame) -> list[Record]:
    """Return number, mean and standard deviation of ratings by month (YYYY-MM), in rating units.

    Months without a rating are left out, and so are ratings without a time.
    """
    dated = days.dropna(subset=c.DAY)
    day = dated[c.DAY].to_numpy().astype("int64").astype("datetime64[D]")
    month = day.astype("datetime64[M]")
    months = sorted(set(month.tolist()))
    found = []
    for one in months:
        part = dated[month == np.datetime64(one, "M")]
        count, mean, deviation = moments(part)
        name = f"{one:%Y-%m}"
        found.append({"month": name, "ratings": count, "mean_rating": mean, "std": deviation})
    return found


def moments(days: pd.DataFrame) -> tuple[int, float, float]:
    """Return the number, mean and (population) standard deviation of the counted ratings."""
    weights = days[c.NUM_RATINGS].to_numpy(np.float64)
    values = days[c.RATING].to_numpy(np.float64)
    mean = float(np.average(values, weights=weights))
    variance = float(np.average((values - mean) ** 2, weights=weights))
    return int(weights.sum()), mean, float(np.sqrt(variance))


def summarise_activity(activity: pd.DataFrame) -> Record:
    """Return mean, quantiles and a log-binned histogram of the ratings per member.

    The quantile of p % is the smallest number of ratings that at least p % of the members do not
    exceed (NumPy's `inverted_cdf`), so it is always a number that occurs in the data.

    Args:
        activity: `num_ratings`, `num_members`, one row per number of ratings.
    """
    ordered = activity.sort_values(c.NUM_RATINGS)
    sizes = ordered[c.NUM_RATINGS].to_numpy(np.int64)
    members = ordered[c.NUM_MEMBERS].to_numpy(np.int64)
    total = int(members.sum())
    # Integers, so that rounding cannot move a rank.
    wanted = [max(-(-percent * total // 100), 1) for percent in QUANTILES.values()]
    positions = np.searchsorted(np.cumsum(members), wanted)
    return {
        "mean": float((sizes * members).sum() / total),
        "quantiles": {name: int(sizes[at]) for name, at in zip(QUANTILES, positions, strict=True)},
        "histogram": _log_histogram(sizes, members),
    }


def _log_histogram(sizes: npt.NDArray[np.int64], members: npt.NDArray[np.int64]) -> list[Record]:
    """Return bins with `from`, `to` (both inclusive) and `members`. Empty bins are included."""
    edges = log_edges(int(sizes[-1]))
    bins = np.searchsorted(edges, sizes, side="right") - 1
    counts = np.bincount(bins, weights=members, minlength=len(edges) - 1)
    first = int(bins[0])
    return [
        {"from": int(low), "to": int(high) - 1, "members": int(count)}
        for low, high, count in zip(
            edges[first:-1], edges[first + 1 :], counts[first:], strict=True
        )
    ]


def log_edges(largest: int) -> npt.NDArray[np.int64]:
    """Return the lower edges 1, 2, 3, 5, 7, 10, 15, 22 … and one last edge above `largest`."""
    powers = int(np.log10(largest)) + 2
    steps = [step * 10**power for power in range(powers) for step in _STEPS]
    edges = np.unique(np.round(steps).astype(np.int64))
    return edges[: int(np.searchsorted(edges, largest, side="right")) + 1]


def summarise_deciles(activity: pd.DataFrame) -> list[Record]:
    """Return movies, ratings and mean rating by tenth of the movies, least rated first.

    Movies with the same number of ratings stay together, in the tenth of their middle rank. Tenths
    can therefore differ in size. A tenth without movies is left out.

    Args:
        activity: `num_ratings`, `num_members`, `rating_sum`, one row per number of ratings.
    """
    ordered = activity.sort_values(c.NUM_RATINGS).reset_index(drop=True)
    members = ordered[c.NUM_MEMBERS].to_numpy(np.float64)
    middle = np.cumsum(members) - members / 2
    ordered["decile"] = (middle * NUM_DECILES // members.sum()).astype(int) + 1
    ordered["ratings"] = ordered[c.NUM_RATINGS] * ordered[c.NUM_MEMBERS]
    total = float(ordered["ratings"].sum())
    return [
        {
            "decile": int(decile),
            "movies": int(part[c.NUM_MEMBERS].sum()),
            "fewest": int(part[c.NUM_RATINGS].min()),
            "most": int(part[c.NUM_RATINGS].max()),
            "ratings": int(part["ratings"].sum()),
            "share": float(part["ratings"].sum() / total),
            "mean_rating": float(part[c.RATING_SUM].sum() / part["ratings"].sum()),
        }
        for decile, part in ordered.groupby("decile")
    ]
