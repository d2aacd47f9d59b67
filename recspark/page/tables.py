"""Tables of the numbers behind each plot: columns with titles, and formatted cells."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

Records = Sequence[dict[str, Any]]
Format = Callable[[Any], str]

MOST_ON_PHONE = 4
# A share this close to 0 % or 100 %, in percent, differs from it only by rounding.
_NO_SHARE = 1e-7


@dataclass(frozen=True)
class Column:
    """One column: its key in the records, its title with unit, and the format of its values."""

    key: str
    title: str
    write: Format
    is_text: bool = False


@dataclass(frozen=True)
class Table:
    """A table with a title. Rows hold one text per column."""

    title: str
    columns: tuple[Column, ...]
    rows: list[list[str]]
    few: frozenset[int] = field(default_factory=frozenset)
    """Positions of the rows that are based on too few ratings or users. They are grey."""

    @property
    def is_wide(self) -> bool:
        """Whether the first column names the rows and the table is too wide for a phone."""
        return self.columns[0].is_text and len(self.columns) > MOST_ON_PHONE


def make_table(
    title: str,
    records: Records,
    *columns: Column,
    is_few: Callable[[dict[str, Any]], bool] = lambda _: False,
) -> Table:
    """Return a table with one row per record, in their order. `is_few` decides if a row is grey."""
    rows = [[column.write(record[column.key]) for column in columns] for record in records]
    few = frozenset(row for row, record in enumerate(records) if is_few(record))
    return Table(title=title, columns=columns, rows=rows, few=few)


def number(value: float, form: str) -> str:
    """Return a figure in a Python format, with a real minus sign (U+2212)."""
    return format(value, form).replace("-", "\N{MINUS SIGN}")


def whole(value: float) -> str:
    """Return a count with thousands separators: 100,480,507."""
    return number(value, ",.0f")


def percent(value: float) -> str:
    """Return a share from 0 to 1 as 99.8%, with more digits very close to 0 or 1."""
    rest = 100 * min(value, 1 - value)
    digits = 1 if rest >= 0.1 or rest < _NO_SHARE else 1 - math.floor(math.log10(rest))
    return f"{100 * value:.{digits}f}%"


def stars(value: float) -> str:
    """Return a mean rating or a deviation with two decimals."""
    return number(value, ".2f")


def rmse(value: float | None) -> str:
    """Return an RMSE with four decimals, or a dash if it is missing."""
    return "–" if value is None or math.isnan(value) else f"{value:.4f}"


def plain(value: Any) -> str:
    """Return a name, date or year, or a dash if it is missing."""
    return "–" if value is None else clip(str(value))


def clip(text: str, limit: int = 500) -> str:
    """Return text that is not too long for a page: its beginning and an ellipsis."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
