"""The plots of the page, drawn from the content of `statistics.json` alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, DateFormatter, DayLocator, date2num
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, PercentFormatter

from recspark.explore.panels import is_few
from recspark.page.certainty import quantile
from recspark.page.charts import (
    ACCENT,
    MAIN,
    Drawing,
    draw,
    draw_counts,
    draw_estimates,
    label,
    name_lines,
    use_short_numbers,
)
from recspark.page.tables import percent, stars

Statistics = dict[str, Any]

SMOOTH_DAYS = 28


def draw_plots(statistics: Statistics) -> dict[str, Drawing]:
    """Return every plot by its name.

    Plots of release years, and of days and months, are left out if no year or no time is known.
    """
    marks: dict[str, Callable[..., None]] = {
        "ratings": _shares,
        "movies": _movies,
        "users": _users,
        "means": _means,
        "decile_shares": _decile_shares,
        "decile_means": _decile_means,
    }
    if any(row["year"] is not None for row in statistics["release_years"]):
        marks["years"] = _years
    if statistics["days"]:
        marks |= {"days": _days, "months": _months}
    return {name: draw(name, partial(mark, statistics=statistics)) for name, mark in marks.items()}


def column(records: list[dict[str, Any]], key: str) -> npt.NDArray[Any]:
    """Return one key of all records as an array."""
    return np.array([record[key] for record in records])


def _shares(axes: Axes, statistics: Statistics) -> None:
    rows = statistics["rating_shares"]
    values, shares = column(rows, "rating"), column(rows, "share")
    step = np.diff(values).min() if len(values) > 1 else 1.0
    bars = axes.bar(values, shares, width=0.8 * step, color=MAIN)
    axes.bar_label(bars, [percent(share) for share in shares], padding=2)
    axes.set_xticks(values, [f"{value:g}" for value in values])
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.margins(y=0.12)
    label(axes, "Rating (stars)", "Share of ratings (%)")
    draw_counts(axes, values.tolist(), column(rows, "ratings").tolist(), "ratings")


def _days(axes: Axes, statistics: Statistics) -> None:
    rows = statistics["days"]
    days = column(rows, "day").astype("datetime64[D]")
    counts = np.zeros(int((days[-1] - days[0]).astype(int)) + 1)
    counts[(days - days[0]).astype(int)] = column(rows, "ratings")
    start = date2num(days[0])
    edges = start + np.arange(len(counts) + 1)
    axes.stairs(counts, edges, fill=True, color=MAIN, alpha=0.7, linewidth=0)
    if len(counts) >= SMOOTH_DAYS:
        smooth = np.convolve(counts, np.ones(SMOOTH_DAYS) / SMOOTH_DAYS, mode="valid")
        at = start + SMOOTH_DAYS / 2 + np.arange(len(smooth))
        axes.plot(at, smooth, color=ACCENT, label=f"mean of {SMOOTH_DAYS} days")
        name_lines(axes)
    _use_dates(axes, len(counts))
    use_short_numbers(axes)
    axes.set_ylim(bottom=0)
    label(axes, "Day of rating", "Ratings per day (count)")


def _months(axes: Axes, statistics: Statistics) -> None:
    rows = statistics["months"]
    months = column(rows, "month").astype("datetime64[M]")
    days = date2num(months.astype("datetime64[D]"))
    _draw_means(axes, days, rows, statistics)
    _use_dates(axes, int(days[-1] - days[0]) + 31)
    label(axes, "Month of rating", "Mean rating (stars)")
    draw_counts(axes, days.tolist(), column(rows, "ratings").tolist(), "ratings")


def _draw_means(
    axes: Axes, at: npt.NDArray[Any], rows: list[dict[str, Any]], statistics: Statistics
) -> None:
    """Draw means with the error bars of chance, and means of few ratings in grey."""
    means, few = column(rows, "mean_rating"), np.array([is_few(row) for row in rows])
    errors = quantile() * statistics["counts"]["std_rating"] / np.sqrt(column(rows, "ratings"))
    draw_estimates(axes, at, means, errors, few, color=MAIN, marker_size=3)
    _mark_overall_mean(axes, statistics)


def _use_dates(axes: Axes, num_days: int) -> None:
    """Format dates as precisely as the time span requires."""
    form = "%Y" if num_days > 4 * 365 else "%Y-%m" if num_days > 90 else "%Y-%m-%d"
    few = DayLocator(interval=max(num_days // 3, 1))
    many = AutoDateLocator(minticks=2, maxticks=6)
    axes.xaxis.set_major_locator(few if num_days <= 90 else many)
    axes.xaxis.set_major_formatter(DateFormatter(form))
    axes.margins(x=0.01)


def _movies(axes: Axes, statistics: Statistics) -> None:
    _activity(axes, statistics["per_movie"], "movie")


def _users(axes: Axes, statistics: Statistics) -> None:
    _activity(axes, statistics["per_user"], "user")


def _activity(axes: Axes, activity: dict[str, Any], member: str) -> None:
    rows = activity["histogram"]
    low, high = column(rows, "from"), column(rows, "to") + 1
    axes.bar(low, column(rows, "members"), width=(high - low) * 0.94, align="edge", color=MAIN)
    median = activity["quantiles"]["50 %"]
    axes.axvline(median, color=ACCENT, linestyle="--", linewidth=2, label=f"median: {median:,}")
    name_lines(axes)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=30))
    axes.xaxis.set_minor_formatter(NullFormatter())
    if high[-1] / low[0] > 1000:
        axes.xaxis.set_major_locator(LogLocator())
    use_short_numbers(axes, "x")
    use_short_numbers(axes)
    label(axes, f"Ratings per {member} (count, log scale)", f"{member.capitalize()}s (count)")


def _means(axes: Axes, statistics: Statistics) -> None:
    for part, color, name in (("per_user", MAIN, "users"), ("per_movie", ACCENT, "movies")):
        rows = statistics[part]["means"]
        bins = np.round(10 * column(rows, "mean")).astype(int)
        shares = np.zeros(bins[-1] - bins[0] + 1)
        shares[bins - bins[0]] = column(rows, "members")
        edges = (np.arange(bins[0], bins[-1] + 2) - 0.5) / 10
        total = f"{int(shares.sum()):,} {name}"
        shares = shares / shares.sum()
        axes.stairs(shares, edges, color=color, linewidth=1.6, label=total)
        axes.stairs(shares, edges, color=color, alpha=0.2, fill=True)
    name_lines(axes)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    label(axes, "Mean rating (stars, bins of 0.1)", "Share of users or movies (%)")


def _decile_shares(axes: Axes, statistics: Statistics) -> None:
    rows = statistics["popularity_deciles"]
    shares = column(rows, "share")
    bars = axes.bar(column(rows, "decile"), shares, color=MAIN)
    axes.bar_label(bars, [percent(share) for share in shares], padding=2, fontsize=8.5)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_xticks(range(1, 11))
    axes.margins(y=0.12)
    label(axes, "Tenth of the movies (10 = most rated)", "Share of ratings (%)")
    draw_counts(axes, column(rows, "decile").tolist(), column(rows, "movies").tolist(), "movies")


def _decile_means(axes: Axes, statistics: Statistics) -> None:
    rows = statistics["popularity_deciles"]
    deciles = column(rows, "decile")
    _draw_means(axes, deciles, rows, statistics)
    axes.set_xticks(range(1, 11))
    label(axes, "Tenth of the movies (10 = most rated)", "Mean rating (stars)")
    draw_counts(axes, deciles.tolist(), column(rows, "ratings").tolist(), "ratings")


def _mark_overall_mean(axes: Axes, statistics: Statistics) -> None:
    overall = statistics["counts"]["mean_rating"]
    total = f"all {statistics['counts']['ratings']:,} ratings: {stars(overall)}"
    axes.axhline(overall, color=ACCENT, linestyle="--", label=total)
    name_lines(axes)


def _years(axes: Axes, statistics: Statistics) -> None:
    rows = [row for row in statistics["release_years"] if row["year"] is not None]
    axes.bar(column(rows, "year"), column(rows, "movies"), width=0.85, color=MAIN)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    use_short_numbers(axes)
    label(axes, "Year of release", "Movies (count)")
