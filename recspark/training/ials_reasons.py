"""Why ials ranks a movie high: what each movie of a user's history adds to the score.

A user's row solves A w = Σ_i c_i h_i over his history, with A the user's normal matrix, so a score
is a sum over the history (Hu, Koren and Volinsky 2008, section 5):

    w · h_j = Σ_i c_i h_jᵀ A⁻¹ h_i

Shape legend: L movies of a list, N movies of the history, K factors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from recspark.datasets.histories import Histories
from recspark.models import saved
from recspark.training.fold_in import find_ials_prior, keep_known
from recspark.training.row_solver import Doubles
from recspark.training.row_table import Ints, Longs

Explain = Callable[[Histories, int, Longs], tuple[Ints, Doubles]]
"""Takes histories, a user's place in them and movies [L]; returns the movies of the history that
count [N], and what each adds to each score, [L, N]: a row sums to the score."""


def open_explain(folder: str, card: Mapping[str, Any]) -> Explain:
    """Return what explains the lists of an ials model.

    Args:
        folder: The model's folder.
        card: Its card.

    Raises:
        DataError: Weights are missing or damaged.
    """
    model, seen = saved.load_module(folder, card)
    movies = model.get_parameter("movies").detach().double().numpy()
    prior = find_ials_prior(model, seen, card)

    def explain(histories: Histories, user: int, listed: Longs) -> tuple[Ints, Doubles]:
        known = keep_known(histories.take(np.array([user])), seen, card)
        theirs, weights = movies[known.movies], known.ratings.astype(np.float64)[:, None]
        matrix = prior.precision + len(theirs) * np.diag(prior.per_rating)
        matrix += theirs.T @ (weights * theirs)
        added = movies[listed] @ np.linalg.solve(matrix, (weights * theirs).T)
        return known.movies, np.asarray(added, np.float64)

    return explain
