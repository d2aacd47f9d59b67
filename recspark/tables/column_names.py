"""Columns found by their names, whatever the spelling."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Usual names of columns of ids, folded; the likelier ones first.
USER_IDS = ("userid", "customerid", "reviewerid", "memberid", "user", "customer", "reviewer")
MOVIE_IDS = (
    "movieid", "itemid", "filmid", "productid", "bookid", "animeid", "gameid", "asin", "isbn",
    "movie", "item", "film", "product", "book",
)  # fmt: skip


def fold(name: str) -> str:
    """Return a column name without case, spaces, `_`, `-`, `.`, and RecBole's type after `:`."""
    return re.sub(r"[\s_.\-\"'\ufeff]", "", name.partition(":")[0]).lower()


def find_column(names: Sequence[str], wanted: Sequence[str]) -> int | None:
    """Return the position of the first column wanted that the file has; None if it has none.

    A name counts as spelled; failing that, case, spaces, `_` and `-` do not matter.
    """
    folded = [fold(name) for name in names]
    for name in wanted:
        if name in names:
            return list(names).index(name)
        if fold(name) in folded:
            return folded.index(fold(name))
    return None
