"""Settings of the models that Spark fits by itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from recspark.config.checks import require, require_model_names
from recspark.contract.paths import BLEND


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
class ResidualNeighborsConfig:
    """A base model, corrected by what it missed of similar movies that the user rated."""

    base: str = "biased_mf"
    """The model to correct: another one of `models`, of any kind but the blend."""
    similarity: Literal["co_rating", "correlation"] = "co_rating"
    """How alike movies are: by who rated both, or by what the base model missed of both."""
    num_neighbors: int = 50
    """Nearest movies of a movie that may correct it (count, 1 or more)."""
    shrinkage: float = 0.3
    """Added to the sum of the weights, so that few or distant neighbours correct little (above
    0)."""
    max_user_ratings: int = 500
    """Users with more ratings count for similarities with a sample of about that size (count, 1 or
    more). The time grows with the square of it; predictions use all their ratings."""

    def __post_init__(self) -> None:
        where = "baseline.residual_neighbors"
        require_model_names(f"{where}.base", (self.base,))
        require(self.base != BLEND, f"{where}.base", self.base, "a model other than the blend")
        for name in ("num_neighbors", "max_user_ratings"):
            require(getattr(self, name) >= 1, f"{where}.{name}", getattr(self, name), "≥ 1")
        is_positive = 0 < self.shrinkage < float("inf")
        require(is_positive, f"{where}.shrinkage", self.shrinkage, "a number above 0")


@dataclass(frozen=True, kw_only=True)
class PopularityConfig:
    """One ranking for all users: the sum of the weights that `signal` gives a movie's ratings."""

    half_life_days: float | None = None
    """Age at which a rating counts half, from the latest one of train on (days, above 0); null
    counts all ages alike."""

    def __post_init__(self) -> None:
        days = self.half_life_days
        is_valid = days is None or 0 < days < float("inf")
        name = "baseline.popularity.half_life_days"
        require(is_valid, name, days, "null or a number above 0")


@dataclass(frozen=True, kw_only=True)
class EaseConfig:
    """EASE: each movie from all others by linear regression (Steck 2019), in closed form. Memory:
    4 bytes for each pair of movies, unless there are `num_neighbors`."""

    reg: float = 300.0
    """L2 weight λ (above 0)."""
    dropout: float = 0.2
    """Share p of a user's ratings that the regression must do without: p / (1 - p) of its own
    weight is added to a movie's diagonal (0 to below 1)."""
    user_weight: float = 0.25
    """Power η by which users with long lists count less: (ratings / mean ratings) ** -η (0 or
    more)."""
    num_neighbors: int | None = None
    """Each movie from this many others alone, those rated most by the same users, for catalogues
    whose matrix of all pairs does not fit (count, 1 to 1000); null takes all others."""

    def __post_init__(self) -> None:
        is_positive = 0 < self.reg < float("inf")
        require(is_positive, "baseline.ease.reg", self.reg, "a number above 0")
        require(0 <= self.dropout < 1, "baseline.ease.dropout", self.dropout, "0 to below 1")
        count = self.num_neighbors
        is_valid = count is None or 1 <= count <= 1000
        require(is_valid, "baseline.ease.num_neighbors", count, "null or 1 to 1000")
        _require_finite("baseline.ease.user_weight", self.user_weight)


@dataclass(frozen=True, kw_only=True)
class ItemKnnConfig:
    """Nearest movies by the ratings of the same users."""

    num_neighbors: int = 100
    """Nearest movies that are kept of each movie (count, 1 or more)."""
    shrinkage: float = 3.0
    """Added to the denominator of a similarity, so that pairs that few users rated weigh little (in
    ratings of weight 1 by users with the mean number of ratings, 0 or more)."""
    asymmetry: float = 0.7
    """Power of the rated movie's popularity in the denominator, against 1 - it of the listed
    movie's: 0.5 is the cosine, above it popular movies are listed more (0 to 1)."""
    user_weight: float = 0.5
    """Power η by which users with long lists count less: (ratings / mean ratings) ** -η (0 or
    more)."""

    def __post_init__(self) -> None:
        where = "baseline.item_knn"
        require(self.num_neighbors >= 1, f"{where}.num_neighbors", self.num_neighbors, "≥ 1")
        _require_finite(f"{where}.shrinkage", self.shrinkage)
        require(0 <= self.asymmetry <= 1, f"{where}.asymmetry", self.asymmetry, "0 to 1")
        _require_finite(f"{where}.user_weight", self.user_weight)


def _require_finite(name: str, value: float) -> None:
    require(0 <= value < float("inf"), name, value, "a number of 0 or more")


_RANKERS = ("popularity", "item_knn", "ease")


@dataclass(frozen=True, kw_only=True)
class BaselineConfig:
    """Models that Spark fits by itself."""

    algorithm: (
        Literal[
            "bias", "cosine_user", "als", "residual_neighbors", "popularity", "item_knn", "ease"
        ]
        | None
    ) = None
    """The baseline that a preset stands for; null where the preset is a trained model."""
    refit: bool = True
    """Fit models that rank movies on train and valid together; a search fits them on train."""
    bias: BiasConfig = field(default_factory=BiasConfig)
    cosine_user: CosineUserConfig = field(default_factory=CosineUserConfig)
    als: AlsConfig = field(default_factory=AlsConfig)
    residual_neighbors: ResidualNeighborsConfig = field(default_factory=ResidualNeighborsConfig)
    popularity: PopularityConfig = field(default_factory=PopularityConfig)
    item_knn: ItemKnnConfig = field(default_factory=ItemKnnConfig)
    ease: EaseConfig = field(default_factory=EaseConfig)

    @property
    def ranks_only(self) -> bool:
        """Whether the model ranks movies and predicts no ratings."""
        return self.algorithm in _RANKERS

    @property
    def base(self) -> str | None:
        """The model that must be fitted before this one, because it corrects it; None: no model."""
        return self.residual_neighbors.base if self.algorithm == "residual_neighbors" else None
