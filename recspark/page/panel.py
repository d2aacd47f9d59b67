"""One part of a page: a heading with the finding, how to read it, plots and tables."""

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
    """Stands above the tables, which then are folded."""
    is_open: bool | None = None
    """Whether the first table is unfolded; None: where no plot stands above it."""
    fold_title: str = ""
    """What the tables are called together, where they are so many that they are folded as one."""
    missing: str = ""
    """Why there is nothing to show, and how to get it."""
