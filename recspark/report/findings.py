"""All that the report tells, gathered as plain data: the page is made without reading more."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from recspark.report.embedding import Embedding
from recspark.report.examples import Example
from recspark.report.histories import Training
from recspark.report.inventory import Inventory
from recspark.report.leaderboards import Measured
from recspark.report.movies import Movies


@dataclass(frozen=True)
class Findings:
    """What is known of a run; what is missing is None or empty."""

    name: str
    inventory: Inventory
    measured: Measured
    trainings: list[Training]
    statistics: dict[str, Any] | None = None
    """The content of explore's `statistics.json`, of the ratings that are there now."""
    movies: Movies | None = None
    embedding: Embedding | None = None
    fewest: int = 1
    """Movies with fewer ratings are not in `embedding`."""
    lists_of: str | None = None
    """The model whose lists the examples show."""
    examples: list[Example] = field(default_factory=list)
