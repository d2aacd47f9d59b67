"""The weight of a rating for models that rank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from recspark.config import Config
from recspark.datasets.prepared import PreparedFacts

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Signal:
    """Maps ratings to weights; small and picklable, sent to every task.

    Attributes:
        ratings: Ascending; between two of them weights are linear.
        weights: Of each of `ratings`.
        lowest: Ratings below it weigh 0.
    """

    ratings: tuple[float, ...]
    weights: tuple[float, ...]
    lowest: float = -np.inf

    @staticmethod
    def of(config: Config, facts: PreparedFacts) -> Signal:
        """Return the signal that a model's config asks for.

        Where train has a single rating value, stars cannot tell ratings apart: each weighs 1.
        """
        settings, ends = config.signal, (facts.rating_min, facts.rating_max)
        if settings.kind == "likes":
            limit = facts.find_relevant(config.evaluate.relevant_rating)
            return Signal(ends[:1], (1.0,), -np.inf if limit is None else limit)
        if settings.kind == "events" or ends[0] == ends[1]:
            return Signal(ends[:1], (1.0,))
        steps = np.linspace(*ends, len(settings.weights))
        return Signal(tuple(steps.tolist()), settings.weights)

    def weigh(self, ratings: Floats) -> Floats:
        """Return the weights [N] of ratings [N]; 0 for ratings that are left out."""
        found = np.interp(ratings, self.ratings, self.weights)
        return np.where(ratings >= self.lowest, found, 0).astype(np.float32)

    def to_card(self) -> dict[str, Any]:
        """Return the signal as a model's card stores it."""
        lowest = None if np.isneginf(self.lowest) else self.lowest
        return {"ratings": list(self.ratings), "weights": list(self.weights), "lowest": lowest}

    @staticmethod
    def of_card(found: Mapping[str, Any]) -> Signal:
        """Return the signal that `to_card` stored."""
        lowest = -np.inf if found["lowest"] is None else found["lowest"]
        return Signal(tuple(found["ratings"]), tuple(found["weights"]), lowest)
