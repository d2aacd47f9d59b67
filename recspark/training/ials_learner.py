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

from typing import Any

import numpy as np
import torch
from torch import Tensor

from recspark.config import TrainConfig
from recspark.models.rating_model import RatingModel
from recspark.training.clock import Clock
from recspark.training.learner import Memory
from recspark.training.plan import StepPlan
from recspark.training.row_learner import RowLearner
from recspark.training.row_solver import Doubles, RowPrior, RowSolver, sum_over
from recspark.training.row_table import Floats, RowTable

# Rows whose products are added in float64 at a time.
_PIECE = 1 << 15


class IalsLearner(RowLearner):
    """Solves for factors that give rated pairs 1, and all pairs 0 with a low weight.

    It ends with the users, so that a user's row is what `fold_in` gives for the same history.
    """

    keeps_last = True

    def __init__(
        self,
        model: RatingModel,
        rows: Tensor,
        plan: StepPlan,
        users: RowTable,
        movies: RowTable,
        solver: RowSolver,
        settings: TrainConfig,
    ) -> None:
        """Start from the model's movies and from `rows`; rows without ratings are 0."""
        super().__init__(model, rows, plan, users, movies, solver)
        self._settings = settings
        known = np.array([float((users.counts > 0).sum())])
        self._num_users = float(sum_over(users, known, solver.group)[0])
        self._num_movies = float((movies.counts > 0).sum())
        self.load_memory(Memory())
        for table in (users, movies):
            table.rows[table.counts == 0] = 0

    def take_step(self, batch: Any, step: int, learning_rate: float, clock: Clock) -> Tensor:
        """Solve for all movies, then for all users; the first sum is the objective."""
        self.num_steps += 1
        users, movies, group = self._users, self._movies, self._group
        of_users = sum_over(users, gram(users.rows), group)
        weights = {"reg": self._settings.reg, "unobserved": self._settings.unobserved_weight}
        for_movies = ials_prior(of_users, self._num_users, **weights)
        self._solver.solve(movies, users, for_movies)
        of_movies = gram(movies.rows)
        for_users = ials_prior(of_movies, self._num_movies, **weights)
        errors = self._solver.solve(users, movies, for_users)
        self.rows.copy_(torch.from_numpy(users.rows))
        self.model.get_parameter("movies").data.copy_(torch.from_numpy(movies.rows))
        clock.mark("forward_backward")
        penalty = self._penalty(users, self._num_movies)
        penalty += self._penalty(movies, self._num_users) / group.num_ranks
        unobserved = self._settings.unobserved_weight * float((gram(users.rows) * of_movies).sum())
        loss = float(errors[:, 0].sum()) + unobserved + penalty
        return torch.tensor([loss, 0.0], dtype=torch.float64)

    def _penalty(self, table: RowTable, num_others: float) -> float:
        squares = np.einsum("rk,rk->r", table.rows, table.rows, dtype=np.float64)
        counts = table.counts + self._settings.unobserved_weight * num_others
        return float(self._settings.reg * (counts @ squares))

    def memory(self) -> Memory:
        """Return nothing: the rows are all there is."""
        return Memory()

    def load_memory(self, memory: Memory) -> None:
        """Take the rows over into the tables."""
        self._users.rows[:] = self.rows.cpu().numpy()
        self._movies.rows[:] = self.model.get_parameter("movies").detach().cpu().numpy()


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
