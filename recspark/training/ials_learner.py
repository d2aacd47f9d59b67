"""The learner of ials: an epoch solves for all movies and then for all users.

Implicit alternating least squares with the weights and the L2 of Rendle, Krichene, Zhang and Koren
(2021, "Revisiting the performance of iALS on item recommendation benchmarks", equations 3 and 6).
Over the rated pairs S, each with the weight c that `signal` gives its rating, it minimises

    Σ_S c (1 − w·h)² + α Σ_all (w·h)² + λ [Σ_u (n_u + α I) |w_u|² + Σ_i (n_i + α U) |h_i|²]

with U users and I movies that have ratings. The sum over all pairs costs no more than one K × K
matrix for each half-sweep: it is Σ_u w_uᵀ (Σ_i h_i h_iᵀ) w_u.

Shape legend: R rows, K factors.
"""

from __future__ import annotations

import numpy as np

from recspark.training.row_learner import AlternatingLearner
from recspark.training.row_solver import Doubles, RowPrior, sum_over
from recspark.training.row_table import Floats, RowTable

# Rows whose products are added in float64 at a time.
_PIECE = 1 << 15


class IalsLearner(AlternatingLearner):
    """Solves for factors that give rated pairs 1, and all pairs 0 with a low weight."""

    keeps_last = True

    def _prior_given(self, others: RowTable) -> RowPrior:
        settings, products = self._settings, sum_over(others, gram(others.rows), self._group)
        weights = {"reg": settings.reg, "unobserved": settings.unobserved_weight}
        return ials_prior(products, self._count_known(others), **weights)

    def _losses(self, squares: float) -> list[float]:
        """Return the objective; predictions have no errors."""
        users, movies = self._users, self._movies
        products = float((gram(users.rows) * gram(movies.rows)).sum())
        penalty = self._penalty(users, movies)
        penalty += self._penalty(movies, users) / self._group.num_ranks
        return [squares + self._settings.unobserved_weight * products + penalty, 0.0]

    def _penalty(self, table: RowTable, others: RowTable) -> float:
        squares = np.einsum("rk,rk->r", table.rows, table.rows, dtype=np.float64)
        counts = table.counts + self._settings.unobserved_weight * self._count_known(others)
        return float(self._settings.reg * (counts @ squares))

    def _count_known(self, table: RowTable) -> float:
        """Return the rows of all ranks that have ratings."""
        known = np.array([np.count_nonzero(table.counts)], np.float64)
        return float(sum_over(table, known, self._group)[0])


def ials_prior(others: Doubles, num_others: float, *, reg: float, unobserved: float) -> RowPrior:
    """Return what all pairs and L2 say of a row: precision α (Σ v vᵀ + λ I · others) + n λ.

    Args:
        others: [K, K], `gram` of the counterparts.
        num_others: Counterparts that have ratings.
        reg: λ.
        unobserved: α.
    """
    size = len(others)
    precision = unobserved * (others + reg * num_others * np.eye(size))
    return RowPrior(precision, np.full(size, reg), np.zeros((1, size)))


def gram(rows: Floats) -> Doubles:
    """Return the sum of v vᵀ over rows v, [K, K] float64, from rows [R, K]."""
    total = np.zeros((rows.shape[1], rows.shape[1]))
    for start in range(0, len(rows), _PIECE):
        part = rows[start : start + _PIECE].astype(np.float64)
        total += part.T @ part
    return total
