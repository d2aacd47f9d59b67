"""Figures of users' top-N lists: how many of the held-out movies that a user liked do they hold.

Legend: the first k ranks count; L is the user's list cut at k, R the user's relevant movies: those
in test that the user rated `relevant_rating` or higher, by default the upper two fifths of the
rating scale. For each user, with rel_i = 1 where the movie at rank i is in R:

    precision = |L ∩ R| / k                     recall = |L ∩ R| / |R|
    average precision = Σ_i rel_i · (|{j ≤ i : rel_j = 1}| / i) / min(k, |R|)
    NDCG = Σ_i rel_i / log2(i + 1), divided by the same sum for a list that begins with R
    reciprocal rank = 1 / i of the first i with rel_i = 1, else 0
    hit = 1 if L ∩ R is not empty, else 0

Sources: Manning, Raghavan, Schütze 2008, chapter 8 (precision, recall, MAP; here cut at k, and so
divided by min(k, |R|)); Järvelin and Kekäläinen 2002 (NDCG, here with gains of 0 and 1); Voorhees
1999 (MRR). Liang et al. 2018 divide recall by min(k, |R|): no list of k movies holds more. It is
`capped_recall` here. A movie that the user never rated counts as not relevant, so all figures are
low in absolute terms, and comparable only between models of one protocol.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recspark.arrays.ndcg import measure_ndcg

Ints = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]

METRICS = ("precision", "recall", "capped_recall", "ndcg", "map", "mrr", "hit_rate")
"""The columns of `measure_users`; each figure of a model is the mean over its users."""


@dataclass(frozen=True)
class Lists:
    """Lists of some users, each entry in three arrays of the same length, by user and rank.

    Attributes:
        rows: [entries], the place of the list's user.
        movies: [entries], `movie_index`.
        ranks: [entries], from 1.
    """

    rows: Ints
    movies: Ints
    ranks: Ints

    @staticmethod
    def sort(rows: Ints, movies: Ints, ranks: Ints) -> Lists:
        """Return the lists of entries in any order."""
        order = np.lexsort((ranks, rows))
        return Lists(rows[order], movies[order], ranks[order])

    def cut(self, length: int) -> Lists:
        """Return the first ranks of each list."""
        inside = self.ranks <= length
        return Lists(self.rows[inside], self.movies[inside], self.ranks[inside])

    def of(self, is_chosen: npt.NDArray[np.bool_]) -> Lists:
        """Return the lists of some users, [users]."""
        inside = is_chosen[self.rows]
        return Lists(self.rows[inside], self.movies[inside], self.ranks[inside])

    def count_faults(self) -> int:
        """Return how many entries repeat a rank or a movie of their list, or have no rank ≥ 1."""
        same_rank = (np.diff(self.rows) == 0) & (np.diff(self.ranks) == 0)
        order = np.lexsort((self.movies, self.rows))
        rows, movies = self.rows[order], self.movies[order]
        same_movie = (np.diff(rows) == 0) & (np.diff(movies) == 0)
        return int(same_rank.sum() + same_movie.sum() + (self.ranks < 1).sum())

    def find_hits(self, relevant: Ints, num_movies: int) -> Lists:
        """Return the entries that are relevant.

        Args:
            relevant: Each relevant pair as row · `num_movies` + movie, ascending.
            num_movies: Movies in the index.
        """
        if not len(relevant):
            return Lists(*(np.empty(0, np.int64) for _ in range(3)))
        keys = self.rows * num_movies + self.movies
        place = np.minimum(np.searchsorted(relevant, keys), len(relevant) - 1)
        is_hit = relevant[place] == keys
        return Lists(self.rows[is_hit], self.movies[is_hit], self.ranks[is_hit])


def measure_users(hits: Lists, num_relevant: Ints, k: int) -> Doubles:
    """Return the figures of each user, [users, METRICS]; 0 for users without a relevant movie.

    Args:
        hits: The relevant entries of their lists.
        num_relevant: [users], |R|.
        k: Ranks that count.
    """
    num_users = len(num_relevant)
    found = hits.cut(k)
    rows, ranks = found.rows, found.ranks.astype(np.float64)
    num_hits = np.bincount(rows, minlength=num_users)
    # Hits of the list up to this one, itself included.
    so_far = np.arange(len(rows)) - (np.cumsum(num_hits) - num_hits)[rows] + 1.0
    is_first = so_far == 1
    num_known = np.maximum(num_relevant, 1)
    best = np.minimum(num_known, k)
    return np.stack(
        [
            num_hits / k,
            num_hits / num_known,
            num_hits / best,
            measure_ndcg(rows, found.ranks, num_relevant, k),
            np.bincount(rows, so_far / ranks, num_users) / best,
            np.bincount(rows[is_first], 1 / ranks[is_first], num_users),
            (num_hits > 0).astype(np.float64),
        ],
        axis=1,
    )
