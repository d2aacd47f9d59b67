"""Templates to HTML text: everything from the data is escaped, and nothing is loaded."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, PrefixLoader, StrictUndefined


def render(template: str, **values: Any) -> str:
    """Return the HTML text of `<part of recspark>/<file>`, e.g. `explore/page.html`."""
    parts = ("page", "explore", "report")
    environment = Environment(
        loader=PrefixLoader({name: PackageLoader(f"recspark.{name}", "") for name in parts}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)
