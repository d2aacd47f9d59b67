"""Settings of the models that Spark fits by itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from recspark.config.checks import require


@dataclass(frozen=True, kw_only=True)
class BiasConfig:
    """Shrunken user and movie effects (Koren 2009, section 2.1)."""

    reg_user: float = 10.0
    """Shrinkage of a user's effect (pseudo-ratings at effect 0, 0 or more)."""
    reg_movie: float = 25.0
    """Shrinkage of a movie's effect (pseudo-ratings at effect 0, 0 or more)."""

    def __post_init__(self) -> None:
        for name in ("reg_user", "reg_movie"):
            require(getattr(self, name) >= 0, f"baseline.bias.{name}", getattr(self, name), "≥ 0")


@dataclass(frozen=True, kw_only=True)
class CosineUserConfig:
    """User-user cosine similarity with each user's gaps filled by the user's mean."""

    num_neighbors: int = 100
    """Nearest users that a prediction is averaged over (count, 1 or more)."""
    block_users: int = 256
    """Users whose similarities a task holds at a time (count); memory grows with it."""

    def __post_init__(self) -> None:
        for name in ("num_neighbors", "block_users"):
            value = getattr(self, name)
            require(value >= 1, f"baseline.cosine_user.{name}", value, "≥ 1")


@dataclass(frozen=True, kw_only=True)
class AlsConfig:
    """Spark MLlib's alternating least squares, on what the effects of `baseline.bias` leave."""

    embedding_size: int = 32
    """Factors per user and movie (count)."""
    epochs: int = 12
    """Sweeps over users and movies (count)."""
    reg: float = 0.1
    """L2 weight on each factor, per rating (0 or more)."""
    shrinkage: float = 20.0
    """Ratings with which the factors of a user or movie count half, beside the effects (count, 0 or
    more): n ratings count n / (n + shrinkage)."""

    def __post_init__(self) -> None:
        for name in ("embedding_size", "epochs"):
            require(getattr(self, name) >= 1, f"baseline.als.{name}", getattr(self, name), "≥ 1")
        for name in ("reg", "shrinkage"):
            require(getattr(self, name) >= 0, f"baseline.als.{name}", getattr(self, name), "≥ 0")


@dataclass(frozen=True, kw_only=True)
class BaselineConfig:
    """Models that Spark fits by itself."""

    algorithm: Literal["bias", "cosine_user", "als"] | None = None
    """The baseline that a preset stands for; null where the preset is a trained model."""
    bias: BiasConfig = field(default_factory=BiasConfig)
    cosine_user: CosineUserConfig = field(default_factory=CosineUserConfig)
    als: AlsConfig = field(default_factory=AlsConfig)
