"""Renders templates as HTML text. Everything from the data is escaped, and nothing is loaded."""

from __future__ import annotations

from collections.abc import Sized
from typing import Any

from jinja2 import Environment, PackageLoader, PrefixLoader, StrictUndefined
from markupsafe import Markup, escape

from recspark.redact import CONTROLS

MOST_COLUMNS = 5


def count_columns(tiles: Sized) -> int:
    """Return the number of columns that fills the last row most: 4 for 8 tiles, never 7 + 1."""
    count = len(tiles)

    def fill(columns: int) -> float:
        return (count % columns or columns) / columns

    return max(range(min(3, count), min(MOST_COLUMNS, count) + 1), key=lambda c: (fill(c), c))


def clean(value: Any) -> Any:
    """Return text without control characters, which a browser may misread; other values as is."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return CONTROLS.sub("\N{REPLACEMENT CHARACTER}", value)


def breakable(text: str) -> Markup:
    """Return text whose lines may break after an underscore, as between the words of a name."""
    return escape(clean(text)).replace("_", Markup("_<wbr>"))


def render(template: str, **values: Any) -> str:
    """Return the HTML text of the template `<package>/<file>`, e.g. `explore/page.html`."""
    parts = ("page", "explore", "report", "tuning")
    environment = Environment(
        loader=PrefixLoader({name: PackageLoader(f"recspark.{name}", "") for name in parts}),
        autoescape=True,
        finalize=clean,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["count_columns"] = count_columns
    environment.filters["breakable"] = breakable
    return environment.get_template(template).render(**values)
