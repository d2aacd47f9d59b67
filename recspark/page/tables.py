"""The numbers behind each plot as text tables: columns with titles, cells already formatted."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

Records = Sequence[dict[str, Any]]
Format = Callable[[Any], str]

MOST_ON_PHONE = 4
# Percent below which a share is 0 (or 100 %) but for rounding.
_NO_SHARE = 1e-7


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
    few: frozenset[int] = field(default_factory=frozenset)
    """Places of the rows that too little stands behind; they are greyed."""

    @property
    def is_wide(self) -> bool:
        """Whether the table names its rows first and has more figures than a phone is wide."""
        return self.columns[0].is_text and len(self.columns) > MOST_ON_PHONE


def make_table(
    title: str,
    records: Records,
    *columns: Column,
    is_few: Callable[[dict[str, Any]], bool] = lambda _: False,
) -> Table:
    """Return the table of `records`, one row per record, in their order; `is_few` greys a row."""
    rows = [[column.write(record[column.key]) for column in columns] for record in records]
    few = frozenset(place for place, record in enumerate(records) if is_few(record))
    return Table(title=title, columns=columns, rows=rows, few=few)


def number(value: float, form: str) -> str:
    """Return a figure in a format of Python's, with a real minus sign (U+2212)."""
    return format(value, form).replace("-", "\N{MINUS SIGN}")


def whole(value: float) -> str:
    """Return a count with thousands separated: 100,480,507."""
    return number(value, ",.0f")


def percent(value: float) -> str:
    """Return a share from 0 to 1 as 99.8%; very near 0 or 1 with the digits that it needs."""
    rest = 100 * min(value, 1 - value)
    digits = 1 if rest >= 0.1 or rest < _NO_SHARE else 1 - math.floor(math.log10(rest))
    return f"{100 * value:.{digits}f}%"


def stars(value: float) -> str:
    """Return a mean rating or a deviation with two decimals."""
    return number(value, ".2f")


def rmse(value: float | None) -> str:
    """Return an RMSE with four decimals; one that there is none of as a dash."""
    return "–" if value is None or math.isnan(value) else f"{value:.4f}"


def plain(value: Any) -> str:
    """Return a name, date or year as it is; a missing one as a dash."""
    return "–" if value is None else str(value)
