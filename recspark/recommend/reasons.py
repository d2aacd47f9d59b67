"""Why movies are listed: those of the user's history that add most to their scores.

The score of a blend of lists adds those of its members, each times a scale of the user, so a movie
of the history adds the sum of what it adds to each member's score, times the scale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recspark.datasets.histories import Histories
from recspark.scoring.item_model import Reasons
from recspark.scoring.list_blend import ScalingScorer
from recspark.scoring.predictors import BlockScorer, Ints

# What explains a score is held for as many (entry, movie of the history) at a time.
_CONTRIBUTIONS = 1_000_000

Explain = Callable[[Histories, Ints, Ints], Reasons]
"""Takes histories, and for each entry a user of them and a movie, by user; returns what each movie
of the history that counts adds to the score of the entry."""


def no_reasons(num_entries: int) -> Reasons:
    """Return no reason for each of some entries."""
    starts = np.zeros(num_entries + 1, np.int64)
    return Reasons(starts, np.zeros(0, np.int32), np.zeros(0, np.float32))


@dataclass(frozen=True)
class Part:
    """A model whose scores are sums over histories."""

    explain: Explain
    histories: Histories
    """What it knows of the users, within all that is known of them."""
    member: int = 0
    """Its number among the members of the blend; 0 for a model that ranks alone."""


@dataclass(frozen=True)
class Explainer:
    """Finds the reasons of entries.

    Attributes:
        parts: The models that explain: one, or some of the members of a blend.
        known: All that is known of the users.
        rows: [users], the row of each in all histories.
        count: Most reasons of an entry.
    """

    parts: tuple[Part, ...]
    known: Histories
    rows: Ints
    count: int

    def explain(self, scorer: BlockScorer, users: Ints, owners: Ints, movies: Ints) -> Reasons:
        """Return the reasons of entries, the greatest first; what lowers a score is none.

        Args:
            scorer: What ranked the users.
            users: Their places.
            owners: [entries], users by their place in `users`; ascending.
            movies: [entries], `movie_index`.
        """
        from recspark.recommend.reason_loops import add_part, keep_greatest

        rows, single = self.rows[users], np.ones((1, len(users)))
        scales = scorer.scales if isinstance(scorer, ScalingScorer) else single
        known = self.known.take(rows)
        parts = [(one.explain, one.histories.take(rows), scales[one.member]) for one in self.parts]
        size = (len(owners), self.count)
        best, values = np.full(size, -1, np.int32), np.zeros(size, np.float32)
        for chosen in _split(np.diff(known.starts)[owners]):
            mine = known.take(owners[chosen])
            added = np.zeros(len(mine.movies), np.float32)
            for explain, histories, scale in parts:
                found = explain(histories, owners[chosen], movies[chosen])
                of_part = found.starts, found.movies, found.values
                add_part(mine.starts, mine.movies, added, *of_part, scale[owners[chosen]])
            keep_greatest(mine.starts, mine.movies, added, best[chosen], values[chosen])
        starts = np.concatenate([[0], np.cumsum((best >= 0).sum(axis=1))])
        return Reasons(starts, best[best >= 0], values[best >= 0])


def _split(sizes: npt.NDArray[np.int64]) -> Iterator[slice]:
    """Yield entries [entries] with at most _CONTRIBUTIONS movies together, or one with more."""
    ends, start = np.cumsum(sizes), 0
    while start < len(sizes):
        limit = (ends[start - 1] if start else 0) + _CONTRIBUTIONS
        part = slice(start, max(start + 1, int(np.searchsorted(ends, limit, side="right"))))
        yield part
        start = part.stop
