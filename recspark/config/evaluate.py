"""Settings of the evaluate job."""

from __future__ import annotations

from dataclasses import dataclass

from recspark.config.checks import require


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """Metrics of predictions and top-N lists, with intervals."""

    resamples: int = 1000
    """Bootstrap resamples of the users, which give the intervals (count, 2 or more)."""
    top_k: int = 10
    """Ranks of a top-N list that are measured (count, 1 or more); ranks that a shorter list lacks
    are misses. The leaderboard of lists shows and orders by the figures of these."""
    list_lengths: tuple[int, ...] = (1, 5)
    """Further numbers of ranks to measure lists at (counts, each 1 or more). recommend.top_n should
    reach the longest."""
    relevant_rating: float | None = None
    """Lowest rating that makes a test movie relevant in a top-N list (rating units); null means the
    upper two fifths of the scale of train: 4 of 1 to 5, 7 of 1 to 10, 60 of 0 to 100."""

    def __post_init__(self) -> None:
        require(self.resamples >= 2, "evaluate.resamples", self.resamples, "≥ 2")
        require(self.top_k >= 1, "evaluate.top_k", self.top_k, "≥ 1")
        lengths = list(self.list_lengths)
        are_positive = all(length >= 1 for length in lengths)
        require(are_positive, "evaluate.list_lengths", lengths, "numbers of 1 or more")

    @property
    def all_lengths(self) -> tuple[int, ...]:
        """`top_k` and `list_lengths`, ascending, each once."""
        return tuple(sorted({self.top_k, *self.list_lengths}))
