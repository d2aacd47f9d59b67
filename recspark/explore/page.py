"""The page of plots: one HTML file that needs nothing else, from `statistics.json` alone."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from recspark.explore.panels import make_panels
from recspark.explore.plots import draw_plots
from recspark.explore.tables import percent, plain, stars, whole


def render_page(name: str, statistics: dict[str, Any]) -> str:
    """Return the HTML text: no script, nothing to load, every text from the data escaped.

    Args:
        name: The run's name.
        statistics: The content of `statistics.json`.
    """
    environment = Environment(
        loader=PackageLoader("recspark", "explore"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(
        name=name,
        first_day=statistics["counts"]["first_day"],
        last_day=statistics["counts"]["last_day"],
        facts=_list_facts(statistics),
        panels=make_panels(statistics),
        drawings=draw_plots(statistics),
    )


def _list_facts(statistics: dict[str, Any]) -> list[tuple[str, str]]:
    counts = statistics["counts"]
    return [
        ("Ratings", whole(counts["ratings"])),
        ("Users", whole(counts["users"])),
        ("Movies with ratings", whole(counts["movies"])),
        ("Listed movies without ratings", whole(counts["movies_without_ratings"])),
        ("Rated movies without title", whole(counts["movies_without_title"])),
        ("Cells without a rating", percent(counts["sparsity"])),
        ("Mean rating", stars(counts["mean_rating"])),
        ("Standard deviation", stars(counts["std_rating"])),
        ("Median ratings per user", plain(statistics["per_user"]["quantiles"]["50 %"])),
        ("Median ratings per movie", plain(statistics["per_movie"]["quantiles"]["50 %"])),
    ]
