"""Settings of the blend of lists, which the blend job makes too."""

from __future__ import annotations

from dataclasses import dataclass

from recspark.config.checks import require, require_model_names
from recspark.contract.paths import LIST_BLEND


@dataclass(frozen=True, kw_only=True)
class ListBlendConfig:
    """One ranking from several models: their z-scores of a user's unseen movies, added with equal
    weights."""

    members: tuple[str, ...] = ()
    """Models to combine, of any kind, also blend: two or more. The result is the model list_blend,
    which recommend.models may name. An empty list means no such blend."""

    def __post_init__(self) -> None:
        where, found = "list_blend.members", ", ".join(self.members)
        require_model_names(where, self.members)
        require(len(self.members) != 1, where, found, "two or more models, or none")
        require(len(set(self.members)) == len(self.members), where, found, "each model once")
        require(LIST_BLEND not in self.members, where, found, "other models than itself")
