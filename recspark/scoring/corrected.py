"""A model of residual neighbours: its base model, corrected by the user's residuals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recspark.saved.residuals import MovieNeighbors, Residuals
from recspark.scoring.predictors import Floats, Ints, PairModel

# Users whose residuals are spread out at a time (4 bytes a movie), and pairs that look them up.
_USERS = 256
_PAIRS = 16_384


@dataclass(frozen=True)
class CorrectedModel:
    """base(u, i) + Σ_j w_ij e_uj / (Σ_j |w_ij| + shrinkage), j among the nearest of i."""

    base: PairModel
    neighbors: MovieNeighbors
    shrinkage: float
    open_residuals: Callable[[int], Residuals]

    def predict(self, bucket: int, rows: Ints, movies: Ints, times: Ints | None = None) -> Floats:
        """See `PairModel`."""
        return self.correct(bucket, rows, movies, self.base.predict(bucket, rows, movies, times))

    def correct(self, bucket: int, rows: Ints, movies: Ints, predictions: Floats) -> Floats:
        """Return predictions of the base model [pairs], corrected."""
        residuals = self.open_residuals(bucket)
        found = np.array(predictions, np.float64)
        order = np.argsort(rows, kind="stable")
        users, starts = np.unique(rows[order], return_index=True)
        ends = np.append(starts, len(rows))
        for first in range(0, len(users), _USERS):
            some = users[first : first + _USERS]
            table = self._spread_out(residuals, some)
            for start in range(starts[first], ends[first + len(some)], _PAIRS):
                at = order[start : min(start + _PAIRS, ends[first + len(some)])]
                places = np.searchsorted(some, rows[at])[:, None]
                missed = table[places, self.neighbors.movies[movies[at]]]
                weights = self.neighbors.weights[movies[at]]
                found[at] += self._quotient(
                    np.einsum("pk,pk->p", weights, np.nan_to_num(missed)),
                    np.einsum("pk,pk->p", np.abs(weights), ~np.isnan(missed)),
                )
        return found

    def correct_block(
        self, bucket: int, rows: Ints, movies: Ints, scores: npt.NDArray[np.float32]
    ) -> None:
        """Correct the base model's scores [movies, users] in place: all pairs of some of both."""
        table = np.ascontiguousarray(self._spread_out(self.open_residuals(bucket), rows).T)
        num_movies, width = self.neighbors.movies.shape
        starts = np.arange(len(movies) + 1) * width
        cells = self.neighbors.movies[movies].ravel(), starts
        weights = self.neighbors.weights[movies].ravel()
        shape = len(movies), num_movies
        total = sparse.csr_matrix((weights, *cells), shape) @ np.nan_to_num(table)
        size = sparse.csr_matrix((np.abs(weights), *cells), shape) @ (~np.isnan(table)).astype("f4")
        scores += self._quotient(total, size)

    def _quotient(self, total: Floats, size: Floats) -> Floats:
        quotient: Floats = total / (size + self.shrinkage)
        return quotient

    def _spread_out(self, residuals: Residuals, rows: Ints) -> npt.NDArray[np.float32]:
        """Return the residuals of some users, [users, movies]; NaN for movies not rated."""
        counts = residuals.starts[rows + 1] - residuals.starts[rows]
        place = np.repeat(np.arange(len(rows)), counts)
        before = np.cumsum(counts) - counts
        at = np.arange(counts.sum()) + np.repeat(residuals.starts[rows] - before, counts)
        table = np.full((len(rows), len(self.neighbors.movies)), np.nan, np.float32)
        table[place, residuals.movies[at]] = residuals.values[at]
        return table
