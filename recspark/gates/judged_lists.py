"""What the gate of lists knows of one model's lists, and records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class ListCounts:
    """What was counted in the rows of lists."""

    num_rows: int
    num_lists: int
    """Users of the run with a list."""
    num_unknown: int = 0
    """Rows with a user or a movie that is not in the run's index."""
    num_repeats: int = 0
    """Rows that repeat a movie or a rank of their list."""
    num_vanished: int = 0
    """Rows whose movie is not in the titles file."""
    vanished: tuple[str, ...] = ()
    """Some of these movies."""
    num_shared: int | None = None
    """Users with a list both here and in the accepted run; None where nothing was compared."""
    churn: float | None = None
    """Mean share of their lists that changed (0 to 1); None without such users."""


@dataclass(frozen=True, kw_only=True)
class Quality:
    """How good lists are, from `lists.json`."""

    protocol: str
    k: int
    """Ranks that count."""
    ndcg: float
    low: float
    high: float
    """The 95 % interval of NDCG."""
    over_popularity: tuple[float, float, float] | None = None
    """NDCG less that of popularity, and its 95 % interval; None for popularity itself."""


@dataclass(frozen=True, kw_only=True)
class JudgedLists:
    """The lists of one model."""

    id: str
    """Manifest id of `recommendations/<model>`."""
    num_asked: int
    """Users for whom lists were asked."""
    counts: ListCounts
    quality: Quality | None
    unmeasured: str | None = None
    """Why there is no quality."""

    @staticmethod
    def from_json(value: Mapping[str, Mapping[str, Any]]) -> dict[str, JudgedLists]:
        """Return the lists of each model as JSON holds them.

        Raises:
            TypeError, KeyError, AttributeError: It is something else.
        """
        found = {}
        for name, one in value.items():
            counts, quality = dict(one["counts"]), one["quality"]
            counts["vanished"] = tuple(counts["vanished"])
            if quality is not None:
                over = quality["over_popularity"]
                quality = Quality(**{**quality, "over_popularity": over and tuple(over)})
            rest = {**one, "counts": ListCounts(**counts), "quality": quality}
            found[name] = JudgedLists(**rest)
        return found
