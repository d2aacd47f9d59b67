"""Folds constants and biases into columns, so that a prediction is an inner product.

This works for models whose score is an inner product plus biases.

Shape legend: B rows of a batch, F factors, M movies. A biased row is F factors, then the bias.
"""

from __future__ import annotations

import torch
from torch import Tensor

from recspark.models.target import Target


def fold_users(biased: Tensor, target: Target) -> Tensor:
    """Return [scale · p, shift + scale · b_u, scale], [B, F + 2], from biased rows [B, F + 1].

    The inner product with a row of `fold_movies` is `target.decode(b_u + b_m + p · q)`.
    """
    scale = torch.full_like(biased[:, -1:], target.scale)
    return torch.cat([biased[:, :-1] * scale, target.decode(biased[:, -1:]), scale], dim=1)


def fold_movies(biased: Tensor) -> Tensor:
    """Return [q, 1, b_m], [M, F + 2], from biased rows [M, F + 1]."""
    return torch.cat([biased[:, :-1], torch.ones_like(biased[:, -1:]), biased[:, -1:]], dim=1)


def add_bias(rows: Tensor) -> Tensor:
    """Return rows [B, F] with an added bias of 0, [B, F + 1]."""
    return torch.cat([rows, rows.new_zeros(len(rows), 1)], dim=1)
