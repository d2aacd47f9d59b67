"""One part of a page: a heading with the finding, an explanation, a plot and tables."""

from __future__ import annotations

from dataclasses import dataclass, field

from recspark.page.charts import Drawing
from recspark.page.tables import Table


@dataclass(frozen=True)
class Panel:
    """One part of a page, in the order in which it is shown."""

    name: str
    """Unique on the page; the id of the part."""
    heading: str
    text: str
    tables: list[Table] = field(default_factory=list)
    drawing: Drawing | None = None
    """The plot above the tables. With a plot, the tables are folded."""
    is_open: bool | None = None
    """Whether the first table is unfolded. None means only if there is no plot above it."""
    fold_title: str = ""
    """Title of all tables together. If it is set, they are folded as one."""
    missing: str = ""
    """Why there is nothing to show, and how to get it."""
