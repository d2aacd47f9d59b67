"""The prior of one side's rows, as the sampler asks for it in each sweep."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from recspark.training.row_solver import RowPrior, RowSolver, sum_over
from recspark.training.row_table import RowTable
from recspark.training.side_prior import (
    Features,
    PriorDraw,
    draw_prior,
    first_prior,
    prior_means,
    sum_gram,
    sum_rows,
)

Doubles = npt.NDArray[np.float64]


class FeaturePrior:
    """See `side_prior`; without side data there are no features."""

    def __init__(self, features: Features, num_columns: int) -> None:
        """Start without an influence of the features; rows have `num_columns` columns."""
        self.features = features
        self._drawn = first_prior(num_columns, features.groups)
        self._gram: Doubles | None = None

    def draw(self, table: RowTable, rng: np.random.Generator, solver: RowSolver) -> RowPrior:
        """Draw the hyper-parameters given the rows and return the rows' prior.

        All ranks call it together, with generators in the same state.
        """

        def add(values: Doubles) -> Doubles:
            return sum_over(table, values, solver.group)

        if self._gram is None:
            self._gram = sum_gram(self.features, add)
        sums = sum_rows(self.features, self._gram, table.rows, add, solver.threads)
        self._drawn = draw_prior(sums, self._drawn, self.features.groups, rng)
        means = prior_means(self.features, self._drawn)
        return RowPrior(self._drawn.precision, np.zeros(table.num_columns), means)

    def state(self) -> dict[str, Doubles]:
        """Return λ, which is all of the last draw that the next depends on."""
        return {"strengths": self._drawn.strengths}

    def load_state(self, state: Mapping[str, Doubles]) -> None:
        """Restore λ."""
        drawn = self._drawn
        self._drawn = PriorDraw(drawn.weights, drawn.precision, np.asarray(state["strengths"]))
