"""Concatenated user and movie factors through dense layers (Keras' and fast.ai's "neural net").

Shape legend: B rows of a batch, F factors, M movies.

Layers before the first dense one, such as dropout, act on the factors themselves. Each pair costs
one pass through the layers: for lists over all movies a dot product is far cheaper.
"""

from __future__ import annotations

import torch
from torch import Tensor

from recspark.models.dot_product import DotProduct
from recspark.models.layers import build_layers
from recspark.models.spec import ModelSpec


class EmbeddingMLP(DotProduct):
    """The tables of DotProduct, with layers in place of the product."""

    is_inner_product = False

    def __init__(self, spec: ModelSpec) -> None:
        """Make the module with random movie factors and layers.

        Raises:
            ConfigError: A layer is unknown.
        """
        super().__init__(spec)
        self.layers = build_layers(spec.layers, 2 * spec.embedding_size, spec.target.num_outputs)

    def score(self, user_rows: Tensor, movie_rows: Tensor) -> Tensor:
        """Return the layers' output, [B], from rows [B, F] each."""
        outputs: Tensor = self.layers(torch.cat([user_rows, movie_rows], dim=1))
        return outputs.squeeze(1)

    def movie_factors(self) -> None:
        """Return None: layers stand between the factors and the prediction."""
