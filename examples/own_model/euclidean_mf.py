"""Distance in place of the product: target = b_u + b_m − ‖p_u − q_m‖² (Khoshneshin, Street 2010).

A user likes the movies nearby. Shape legend: B rows of a batch, F factors, M movies. A row of
either table is F factors, then the bias in the last column.
"""

from __future__ import annotations

from torch import Tensor

from recspark.models.biased_mf import BiasedMF


class EuclideanMF(BiasedMF):
    """The tables of BiasedMF; a distance in place of the product."""

    def score(self, user_rows: Tensor, movie_rows: Tensor) -> Tensor:
        """Return b_u + b_m − ‖p − q‖², [B], from rows [B, F + 1] each."""
        distance = (user_rows[:, :-1] - movie_rows[:, :-1]).square().sum(dim=1)
        return user_rows[:, -1] + movie_rows[:, -1] - distance

    def movie_factors(self) -> None:
        """Return None: the prediction is no inner product."""
