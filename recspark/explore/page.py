"""The page of plots as one self-contained HTML file, made from `statistics.json` alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from recspark.explore.panels import make_panels
from recspark.explore.plots import draw_plots
from recspark.page.panel import Panel
from recspark.page.render import render
from recspark.page.tables import percent, plain, stars, whole


def render_page(name: str, statistics: dict[str, Any], date: str = "") -> str:
    """Return the HTML text. It has no script and loads nothing; text from the data is escaped.

    Args:
        name: The run's name.
        statistics: The content of `statistics.json`.
        date: When the ratings were ingested.
    """
    panels = draw_panels(statistics)
    return render(
        "explore/page.html",
        name=name,
        date=date,
        navigation=[(panel.name, panel.name.replace("_", " ").capitalize()) for panel in panels],
        span=describe_span(statistics),
        facts=list_facts(statistics),
        panels=panels,
    )


def describe_span(statistics: dict[str, Any]) -> str:
    """Return a sentence on the first and the last day of the ratings."""
    first, last = (statistics["counts"][name] for name in ("first_day", "last_day"))
    return f"From {first} to {last}." if first else "No rating has a time."


def draw_panels(statistics: dict[str, Any]) -> list[Panel]:
    """Return the parts of the page with their plots, in reading order."""
    drawings = draw_plots(statistics)
    return [replace(panel, drawing=drawings.get(panel.name)) for panel in make_panels(statistics)]


def list_facts(statistics: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the key figures of the ratings as (name, figure)."""
    counts = statistics["counts"]
    return [
        ("Ratings", whole(counts["ratings"])),
        ("Users", whole(counts["users"])),
        ("Movies with ratings", whole(counts["movies"])),
        ("Listed movies without ratings", whole(counts["movies_without_ratings"])),
        ("Rated movies without title", whole(counts["movies_without_title"])),
        ("Cells without a rating, at least", percent(counts["sparsity"])),
        ("Mean rating", stars(counts["mean_rating"])),
        ("Standard deviation", stars(counts["std_rating"])),
        ("Median ratings per user", plain(statistics["per_user"]["quantiles"]["50 %"])),
        ("Median ratings per movie", plain(statistics["per_movie"]["quantiles"]["50 %"])),
    ]
