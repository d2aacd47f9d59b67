"""A model that scores movies from a user's history by weights between movies.

The score of a user and movie j is Σ_i x_i B_ij over the movies i of his history, x_i the weight of
his rating. Nothing belongs to a user of the run, so histories may come from anywhere.

Shape legend: U users, C candidates, M movies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recspark.datasets.histories import Histories
from recspark.datasets.signal import Signal
from recspark.saved.items import SparseWeights
from recspark.scoring.predictors import Floats, Ints

Block = npt.NDArray[np.float32]

# Contributions that `predict` holds at a time.
_CONTRIBUTIONS = 4_000_000


@dataclass(frozen=True)
class Reasons:
    """What each movie of a user's history contributes to the score of a movie.

    Attributes:
        starts: int64 [pairs + 1], where the contributions of each pair begin.
        movies: int32 [contributions], `movie_index` in the history, ascending for each pair.
        values: float32 [contributions]; those of a pair sum to its score.
    """

    starts: npt.NDArray[np.int64]
    movies: npt.NDArray[np.int32]
    values: Block


@dataclass(frozen=True)
class ItemModel:
    """Weights between movies; a score of exactly 0 means that no movie of the history has any."""

    weights: Block | SparseWeights
    """[M, M], or the pairs that count. Row i: what a rating of movie i adds to each score."""
    signal: Signal
    open_histories: Callable[[int], Histories]
    """Bucket to the ratings of its users that the model was fitted on."""

    def predict(self, bucket: int, rows: Ints, movies: Ints, times: Ints | None = None) -> Floats:
        """See `PairModel`; scores, not ratings."""
        return self.score_pairs(self.open_histories(bucket), rows, movies)

    def score_pairs(self, histories: Histories, rows: Ints, movies: Ints) -> Floats:
        """Return scores of pairs of users of any run or none, [pairs]; NaN for no answer.

        Args:
            histories: What the users rated.
            rows: [pairs], users of the histories.
            movies: [pairs], `movie_index`.
        """
        ends = np.cumsum(np.diff(histories.starts)[rows])
        found = np.empty(len(rows), np.float32)
        start = 0
        while start < len(rows):
            limit = (ends[start - 1] if start else 0) + _CONTRIBUTIONS
            part = slice(start, max(start + 1, int(np.searchsorted(ends, limit, side="right"))))
            reasons = self.explain(histories, rows[part], movies[part])
            sums = np.concatenate([[0], np.cumsum(reasons.values, dtype=np.float64)])
            found[part] = np.diff(sums[reasons.starts])
            start = part.stop
        found[found == 0] = np.nan
        return found

    def score(self, histories: Histories, candidates: Ints) -> Block:
        """Return scores of users of any run or none, [U, C]; NaN for no answer.

        Args:
            histories: What the users rated, [U]; movies by the index of the model's run.
            candidates: [C], `movie_index`, ascending.
        """
        scores = np.empty((len(candidates), histories.num_users), np.float32)
        self.fill(histories, candidates, scores, nothing=np.nan)
        return scores.T

    def fill(self, histories: Histories, candidates: Ints, into: Block, nothing: float) -> None:
        """Write scores, [C, U]; `nothing` for no answer. Otherwise as `score`."""
        from recspark.scoring import item_loops as loops

        known, chosen = histories.weigh(self.signal), candidates.astype(np.int32)
        history = known.starts, known.movies, known.ratings
        if isinstance(self.weights, SparseWeights):
            sparse = self.weights.starts, self.weights.movies, self.weights.values
            num_movies = len(self.weights.starts) - 1
            loops.fill_sparse(*history, *sparse, num_movies, chosen, nothing, into)
        else:
            loops.fill_dense(*history, self.weights, chosen, nothing, into)

    def explain(self, histories: Histories, rows: Ints, movies: Ints) -> Reasons:
        """Return the contributions to the scores of pairs, exactly.

        Args:
            histories: What the users rated, as for `score`.
            rows: [pairs], users of the histories.
            movies: [pairs], `movie_index`.
        """
        from recspark.scoring import item_loops as loops

        known = histories.weigh(self.signal).take(rows)
        counts = np.diff(known.starts)
        values = np.empty(len(known.movies), np.float32)
        pair = known.movies, known.ratings, np.repeat(movies.astype(np.int32), counts), values
        if isinstance(self.weights, SparseWeights):
            loops.contribute_sparse(
                self.weights.starts, self.weights.movies, self.weights.values, *pair
            )
        else:
            loops.contribute_dense(self.weights, *pair)
        return Reasons(known.starts, known.movies, values)
