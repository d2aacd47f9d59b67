"""The highest scores of the users of one task, without the movies that are hidden from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recspark.recommend.top_n import RunningTop, score_blocks
from recspark.scoring.predictors import NOTHING, BlockScorer, Ints

Mask = npt.NDArray[np.bool_]
Ranked = tuple[Ints, Ints, Ints, npt.NDArray[np.float32]]
"""User, rank from 1, movie and score of each entry, by user and rank."""


@dataclass(frozen=True)
class Ranker:
    """Ranks the candidates for users, wherever their scores come from.

    Attributes:
        open_scorer: Returns the scorer of some users, by their places.
        num_users: Users.
        num_candidates: Movies.
        owners: [hidden], the place of the user from whom a movie is hidden; ascending.
        hidden: [hidden], the movie, as a place among the candidates.
    """

    open_scorer: Callable[[Ints], BlockScorer]
    num_users: int
    num_candidates: int
    owners: Ints
    hidden: Ints

    def rank(
        self, scorer: BlockScorer, users: Ints, depth: int, is_rare: Mask | None = None
    ) -> list[Ranked]:
        """Return the best candidates of some users, and those of the rare ones if there are any.

        Args:
            scorer: Of the users, from `open_scorer`.
            users: Their places, at most USER_BLOCK.
            depth: Most entries of a user.
            is_rare: [candidates]; None if no such entries are asked for.
        """
        top = RunningTop(len(users), depth)
        of_rare = None if is_rare is None else RunningTop(len(users), depth)
        mine, hidden = self._hidden_from(users)
        for movies, block in score_blocks(
            scorer.fill, self.num_candidates, len(users), mine, hidden
        ):
            top.add(block, movies.start)
            if of_rare is not None and is_rare is not None:
                block[: movies.stop - movies.start][~is_rare[movies]] = NOTHING
                of_rare.add(block, movies.start)
        return [one.lists() for one in (top, of_rare) if one is not None]

    def _hidden_from(self, users: Ints) -> tuple[Ints, Ints]:
        """Return (place in `users`, movie) of what is hidden from them."""
        left = np.searchsorted(self.owners, users)
        counts = np.searchsorted(self.owners, users, side="right") - left
        mine = np.repeat(np.arange(len(users)), counts)
        starts = np.cumsum(counts) - counts
        return mine, self.hidden[np.arange(len(mine)) + (left - starts)[mine]]
