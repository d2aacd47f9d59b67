"""A classifier with one class per rating value, over user and movie factors and dense layers.

Shape legend: B rows of a batch, F factors, K distinct rating values.

It is trained on cross-entropy. The prediction is the expected rating: the mean of the values,
weighted by the softmax of their scores.
"""

from __future__ import annotations

import torch
from torch import Tensor

from recspark.models.embedding_mlp import EmbeddingMLP


class RatingClassifier(EmbeddingMLP):
    """EmbeddingMLP with K outputs; the target is one_of_k."""

    targets = ("one_of_k",)

    def score(self, user_rows: Tensor, movie_rows: Tensor) -> Tensor:
        """Return a score for each rating value, [B, K], from rows [B, F] each."""
        scores: Tensor = self.layers(torch.cat([user_rows, movie_rows], dim=1))
        return scores
