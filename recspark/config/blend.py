"""Settings of the blend job."""

from __future__ import annotations

from dataclasses import dataclass

from recspark.config.checks import require, require_model_names
from recspark.contract.paths import BLENDS


@dataclass(frozen=True, kw_only=True)
class BlendConfig:
    """One linear combination of several models."""

    members: tuple[str, ...] = ()
    """Models to combine: two or more, fitted and scored before. An empty list means no blend."""
    reg: float | None = None
    """L2 weight on the members' weights, per valid rating (0 or more); null picks it by
    cross-validation over the users of valid."""

    def __post_init__(self) -> None:
        require_model_names("blend.members", self.members)
        found = ", ".join(self.members)
        require(len(self.members) != 1, "blend.members", found, "two or more models, or none")
        require(
            len(set(self.members)) == len(self.members), "blend.members", found, "each model once"
        )
        is_own = any(name in self.members for name in BLENDS)
        require(not is_own, "blend.members", found, "models other than the blends")
        require(self.reg is None or self.reg >= 0, "blend.reg", self.reg, "≥ 0")
