"""Settings of what a rating says to models that rank: the signal that they learn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from recspark.config.checks import require


@dataclass(frozen=True, kw_only=True)
class SignalConfig:
    """The weight of each rating of train for the models that rank movies and predict no ratings."""

    kind: Literal["stars", "likes", "events"] = "stars"
    """stars weighs a rating by its value; likes takes ratings that `evaluate.relevant_rating` calls
    relevant, with weight 1, and leaves out the others; events gives every rating weight 1."""
    weights: tuple[float, ...] = (0.2, 0.2, 0.5, 1.0, 1.3)
    """Weights of ratings, for stars: at even steps from the lowest rating of train to the highest,
    linear in between (two or more, each 0 or more; 0 leaves a rating out)."""

    def __post_init__(self) -> None:
        found = list(self.weights)
        require(len(found) >= 2, "signal.weights", found, "two weights or more")
        is_valid = all(0 <= weight < float("inf") for weight in found) and any(found)
        require(is_valid, "signal.weights", found, "numbers of 0 or more, not all 0")
