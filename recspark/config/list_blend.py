"""Settings of the blend of lists, which the blend job makes too."""

from __future__ import annotations

from dataclasses import dataclass

from recspark.config.checks import require, require_model_names
from recspark.contract.paths import LIST_BLEND


@dataclass(frozen=True, kw_only=True)
class ListBlendConfig:
    """One ranking from several models: the weighted sum of their z-scores of a user's unseen
    movies."""

    members: tuple[str, ...] = ()
    """Models to combine, of any kind, also blend: two or more. The result is the model list_blend,
    which recommend.models may name. An empty list means no such blend."""
    weights: tuple[float, ...] = ()
    """A weight for each member, above 0. If empty, they are equal, unless all members are fitted
    without valid (`baseline.refit: false`) and others make clearly better lists of it."""

    def __post_init__(self) -> None:
        where, found = "list_blend.members", ", ".join(self.members)
        require_model_names(where, self.members)
        require(len(self.members) != 1, where, found, "two or more models, or none")
        require(len(set(self.members)) == len(self.members), where, found, "each model once")
        listed = ", ".join(f"{weight:g}" for weight in self.weights)
        is_whole = len(self.weights) in (0, len(self.members))
        require(is_whole, "list_blend.weights", listed, "one for each of list_blend.members")
        is_valid = all(0 < weight < float("inf") for weight in self.weights)
        require(is_valid, "list_blend.weights", listed, "numbers above 0")
        require(LIST_BLEND not in self.members, where, found, "other models than itself")
