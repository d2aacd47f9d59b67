"""What training minimises: the loss of the target, plus L2 on the embeddings that a row uses.

Shape legend: B rows of a batch, U columns of the user table, V of the movie table.

Penalising only the rows in use keeps the cost of a step proportional to the batch. It also weights
a user's or movie's penalty by its number of ratings, as Koren's SGD does (2009, equation 5).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from recspark.models.batch_norm import BatchNorm
from recspark.models.rating_model import RatingModel

# Rows that a CPU takes through the dense layers and back at a time. Their values then stay in the
# processor's cache: at 512 columns, 8 MiB for each layer's output.
PIECE_ROWS = 4096


class Objective:
    """The loss of a batch and its gradient."""

    def __init__(
        self,
        model: RatingModel,
        reg: float,
        bias_reg: float | None = None,
        *,
        is_bf16: bool = False,
    ) -> None:
        """Keep the parts.

        Args:
            model: The model to train.
            reg: L2 weight per row and embedding in use.
            bias_reg: The same for biases, if the model has them; None for `reg`.
            is_bf16: Whether dense layers compute in bfloat16.
        """
        self._model = model
        self._reg, self._bias_extra = reg, bias_extra(model, reg, bias_reg)
        self._is_bf16 = is_bf16
        self._has_batch_norm = any(isinstance(one, BatchNorm) for one in model.modules())

    def backward(
        self, user_rows: Tensor, movie_index: Tensor, ratings: Tensor, weight: float
    ) -> Tensor:
        """Add the gradient of weight · loss to those of the module and of `user_rows`.

        Args:
            user_rows: [B, U], a leaf, or computed from one.
            movie_index: [B].
            ratings: [B], rating units.
            weight: Factor on the gradient.

        Returns:
            Sums over the batch, float64: [loss, squared error in rating units], not weighted.
        """
        movie_rows = self._model.embed_movies(movie_index)
        gradients = torch.empty_like(user_rows), torch.empty_like(movie_rows)
        sums = torch.zeros(2, dtype=torch.float64, device=ratings.device)
        is_whole = ratings.is_cuda or self._has_batch_norm
        size = len(ratings) if is_whole else PIECE_ROWS
        for start in range(0, max(len(ratings), 1), max(size, 1)):
            span = slice(start, start + size)
            users, movies = user_rows.detach()[span], movie_rows.detach()[span]
            for rows, gradient in zip((users, movies), gradients, strict=True):
                sums[0] += self._penalise(rows, gradient[span], weight)
                rows.requires_grad_().grad = gradient[span]  # autograd adds to it in place
            loss, squares = self._losses(users, movies, ratings[span])
            (loss * weight).backward()
            sums += torch.stack([loss.detach(), squares])
        if user_rows.is_leaf:
            user_rows.grad = gradients[0]
            movie_rows.backward(gradients[1])
        else:
            torch.autograd.backward((user_rows, movie_rows), gradients)
        return sums

    def _losses(
        self, user_rows: Tensor, movie_rows: Tensor, ratings: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the sums (loss without L2, squared error), from rows [B, U] and [B, V]."""
        target = self._model.spec.target
        with torch.autocast(ratings.device.type, torch.bfloat16, enabled=self._is_bf16):
            outputs = self._model.score(user_rows, movie_rows).float()
        if target.kind == "one_of_k":
            loss = functional.cross_entropy(outputs, target.encode(ratings), reduction="sum")
        else:
            loss = (outputs - target.encode(ratings)).square().sum()
        return loss, (target.decode(outputs.detach()) - ratings).square().sum()

    def _penalise(self, rows: Tensor, gradient: Tensor, weight: float) -> Tensor | float:
        """Fill `gradient` with that of weight · L2 of the rows; return the L2."""
        if not self._reg and not self._bias_extra:
            gradient.zero_()
            return 0.0
        torch.mul(rows, 2 * self._reg * weight, out=gradient)
        penalty = self._reg * torch.linalg.vector_norm(rows).square()
        if self._bias_extra:
            gradient[:, -1].add_(rows[:, -1], alpha=2 * self._bias_extra * weight)
            penalty += self._bias_extra * torch.linalg.vector_norm(rows[:, -1]).square()
        return penalty


def bias_extra(model: RatingModel, reg: float, bias_reg: float | None) -> float:
    """Return the L2 weight of a bias minus that of an embedding; 0 without biases."""
    return bias_reg - reg if model.has_biases and bias_reg is not None else 0.0
