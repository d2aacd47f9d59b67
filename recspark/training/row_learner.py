"""Learners that solve for whole rows instead of taking small steps; an epoch is one step.

Shape legend: R users of the rank, M movies, K factors, T samples, U columns of the user table.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recspark.config import TrainConfig
from recspark.models.rating_model import RatingModel
from recspark.training.clock import Clock
from recspark.training.learner import Learner, Memory
from recspark.training.plan import StepPlan
from recspark.training.row_solver import RowPrior, RowSolver
from recspark.training.row_table import RowTable


class RowLearner(Learner):
    """A learner whose users and movies lie in tables for the row solver."""

    def __init__(
        self,
        model: RatingModel,
        rows: Tensor,
        plan: StepPlan,
        users: RowTable,
        movies: RowTable,
        solver: RowSolver,
    ) -> None:
        """Take over the tables, with the ratings in them."""
        super().__init__(model, rows, plan, solver.group)
        self.num_ratings = sum(plan.bucket_rows.values())
        self.seen_users.copy_(torch.from_numpy(users.counts > 0))
        self.seen_movies.copy_(torch.from_numpy(movies.counts > 0))
        self._users, self._movies, self._solver = users, movies, solver

    def batches(self, epoch: int, first_step: int) -> Iterator[Any]:
        """Yield nothing of use: a step takes all ratings."""
        yield from [None] * (self.plan.num_steps - first_step)


class AlternatingLearner(RowLearner):
    """Solves for all movies given users, and then for all users given movies.

    It ends with the users, so that a user's row is what `fold_in` gives for the same history.
    """

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
        self.load_memory(Memory())

    @abstractmethod
    def _prior_given(self, others: RowTable) -> RowPrior:
        """Return what is known of rows before their ratings; all ranks call it together.

        Args:
            others: Their counterparts, as they are now.
        """

    @abstractmethod
    def _losses(self, squares: float) -> list[float]:
        """Return what `take_step` does; all ranks call it together.

        Args:
            squares: Σ w e² of this rank's ratings, with e the errors that remain.
        """

    def take_step(self, batch: Any, step: int, learning_rate: float, clock: Clock) -> Tensor:
        """Solve for all movies, then for all users; the sums are those after the step."""
        self.num_steps += 1
        users, movies, solver = self._users, self._movies, self._solver
        solver.solve(movies, users, self._prior_given(users))
        errors = solver.solve(users, movies, self._prior_given(movies))
        self.rows.copy_(torch.from_numpy(users.rows))
        self.model.get_parameter("movies").data.copy_(torch.from_numpy(movies.rows))
        clock.mark("forward_backward")
        return torch.tensor(self._losses(float(errors[:, 0].sum())), dtype=torch.float64)

    def memory(self) -> Memory:
        """Return nothing: the rows are all there is."""
        return Memory()

    def load_memory(self, memory: Memory) -> None:
        """Take the rows over into the tables."""
        self._users.rows[:] = self.rows.cpu().numpy()
        self._movies.rows[:] = self.model.get_parameter("movies").detach().cpu().numpy()
        for table in (self._users, self._movies):
            table.rows[table.counts == 0] = 0


class AlsLearner(AlternatingLearner):
    """Alternating least squares.

    Minimises Σ e² + reg · Σ (squares of the rows that a rating uses), over ratings. So L2 of a row
    grows with its number of ratings (Zhou and others 2008, section 3.1), and means the same as for
    gradient descent.
    """

    def _prior_given(self, others: RowTable) -> RowPrior:
        settings, size = self._settings, others.num_columns
        per_rating = np.full(size, settings.reg)
        per_rating[-1] = settings.reg if settings.bias_reg is None else settings.bias_reg
        return RowPrior(np.zeros((size, size)), per_rating, np.zeros((1, size)))

    def _losses(self, squares: float) -> list[float]:
        penalty = self._penalty(self._users) + self._penalty(self._movies) / self._group.num_ranks
        return [squares + penalty, squares * self.model.spec.target.scale**2]

    def _penalty(self, table: RowTable) -> float:
        squares = table.rows.astype(np.float64) ** 2
        return float(table.counts @ (squares @ self._prior_given(table).per_rating))
