"""The content of the report as plain data. The page is made from it without further reading."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from recspark.report.co_rated import Neighbors
from recspark.report.embedding import Embedding
from recspark.report.examples import Example
from recspark.report.histories import Training
from recspark.report.inventory import Inventory
from recspark.report.leaderboards import Leaderboards, ListsBoard
from recspark.report.movies import Movies


@dataclass(frozen=True)
class Findings:
    """What is known about a run. Missing parts are None or empty."""

    name: str
    inventory: Inventory
    leaderboards: Leaderboards
    trainings: list[Training]
    lists: ListsBoard = field(default_factory=ListsBoard)
    statistics: dict[str, Any] | None = None
    """The content of explore's `statistics.json`, if it is about the current ratings."""
    movies: Movies | None = None
    embedding: Embedding | None = None
    co_rated: Neighbors | None = None
    min_ratings: int = 1
    """Movies with fewer ratings are in neither `embedding` nor `co_rated`."""
    lists_model: str | None = None
    """The model whose lists the examples show."""
    examples: list[Example] = field(default_factory=list)
