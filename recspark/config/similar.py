"""Settings of the similar job."""

from __future__ import annotations

from dataclasses import dataclass

from recspark.config.checks import require


@dataclass(frozen=True, kw_only=True)
class SimilarConfig:
    """More like this: the movies whose embeddings point the same way."""

    models: tuple[str, ...] = ()
    """Models that lists are made with, of those in `models`; none: the pipeline makes no lists."""
    top_n: int = 10
    """Length of a list (count, 1 or more)."""
    min_ratings: int = 1
    """Movies with fewer ratings in train than this are in no list and have none (count, 1 or more);
    the embedding of a movie that few rated says little."""

    def __post_init__(self) -> None:
        for name in ("top_n", "min_ratings"):
            require(getattr(self, name) >= 1, f"similar.{name}", getattr(self, name), "≥ 1")
