"""Settings of the similar job."""

from __future__ import annotations

from dataclasses import dataclass

from recspark.config.checks import require, require_model_names


@dataclass(frozen=True, kw_only=True)
class SimilarConfig:
    """Similar movies: those whose embeddings point in the same direction; of ease and item_knn,
    those to whose score a rating of the movie adds most, as if they were rated as often."""

    models: tuple[str, ...] = ()
    """Models to make lists with, each one of `models`; if empty, the pipeline makes no lists."""
    top_n: int = 10
    """Length of a list (count, 1 or more)."""
    min_ratings: int = 1
    """Movies with fewer ratings in train than this are in no list and get none (count, 1 or more);
    the embedding of a movie that few rated says little."""

    def __post_init__(self) -> None:
        require_model_names("similar.models", self.models)
        for name in ("top_n", "min_ratings"):
            require(getattr(self, name) >= 1, f"similar.{name}", getattr(self, name), "≥ 1")
