"""Biased matrix factorisation plus the output of dense layers over the same factors.

    target = b_u + b_m + p_u · q_m + layers(p_u, q_m)

Shape legend: B rows of a batch, F factors. A row of either table is F factors, then the bias.
"""

from __future__ import annotations

import torch
from torch import Tensor

from recspark.models.biased_mf import BiasedMF, biased_product
from recspark.models.layers import build_layers
from recspark.models.spec import ModelSpec


class ResidualMF(BiasedMF):
    """The tables of BiasedMF, with layers that learn the residual of the product."""

    is_inner_product = False

    def __init__(self, spec: ModelSpec) -> None:
        """Make the module with random movie factors and layers; biases start at 0.

        Raises:
            ConfigError: A layer is unknown.
        """
        super().__init__(spec)
        self.layers = build_layers(spec.layers, 2 * spec.embedding_size, spec.target.num_outputs)

    def score(self, user_rows: Tensor, movie_rows: Tensor) -> Tensor:
        """Return the sum of both branches, [B], from rows [B, F + 1] each."""
        residual: Tensor = self.layers(torch.cat([user_rows[:, :-1], movie_rows[:, :-1]], dim=1))
        return biased_product(user_rows, movie_rows) + residual.squeeze(1)

    def movie_factors(self) -> None:
        """Return None: layers stand between the factors and the prediction."""
