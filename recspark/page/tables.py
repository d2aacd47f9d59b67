"""The numbers behind each plot as text tables: columns with titles, cells already formatted."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Records = Sequence[dict[str, Any]]
Format = Callable[[Any], str]

MOST_ON_PHONE = 4


@dataclass(frozen=True)
class Column:
    """One column: key in the records, title with unit, how a value is written."""

    key: str
    title: str
    write: Format
    is_text: bool = False


@dataclass(frozen=True)
class Table:
    """A titled table; rows hold one text per column."""

    title: str
    columns: tuple[Column, ...]
    rows: list[list[str]]

    @property
    def is_wide(self) -> bool:
        """Whether the table names its rows first and has more figures than a phone is wide."""
        return self.columns[0].is_text and len(self.columns) > MOST_ON_PHONE


def make_table(title: str, records: Records, *columns: Column) -> Table:
    """Return the table of `records`, one row per record, in their order."""
    rows = [[column.write(record[column.key]) for column in columns] for record in records]
    return Table(title=title, columns=columns, rows=rows)


def whole(value: float) -> str:
    """Return a count with thousands separated: 100,480,507."""
    return f"{value:,.0f}"


def percent(value: float) -> str:
    """Return a share from 0 to 1 in percent, small ones with the digits they need."""
    digits = ".1f" if value >= 0.001 or value == 0 else ".2g"
    return f"{100 * value:{digits}}\N{NO-BREAK SPACE}%"


def stars(value: float) -> str:
    """Return a mean rating or a deviation with two decimals."""
    return f"{value:.2f}"


def rmse(value: float | None) -> str:
    """Return an RMSE with four decimals; one that there is none of as a dash."""
    return "–" if value is None or math.isnan(value) else f"{value:.4f}"


def plain(value: Any) -> str:
    """Return a name, date or year as it is; a missing one as a dash."""
    return "–" if value is None else str(value)
