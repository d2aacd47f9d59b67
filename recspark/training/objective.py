"""What training minimises: the loss of the target, plus L2 on the embeddings that a row uses.

Shape legend: B rows of a batch, U columns of the user table.

Penalising only the rows in use keeps the cost of a step proportional to the batch. It also weights
a user's or movie's penalty by its number of ratings, as Koren's SGD does (2009, equation 5).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from recspark.models.autorec import AutoRec
from recspark.models.rating_model import RatingModel


class Objective(nn.Module):
    """The loss of a batch."""

    def __init__(
        self,
        model: RatingModel,
        reg: float,
        bias_reg: float | None = None,
        *,
        is_bf16: bool = False,
    ) -> None:
        """Wrap a model.

        Args:
            model: The model to train.
            reg: L2 weight per row and embedding in use.
            bias_reg: The same for biases, if the model has them; None for `reg`.
            is_bf16: Whether matrix products run in bfloat16.
        """
        super().__init__()
        self.model = model
        self.reg = reg
        self.bias_extra = bias_extra(model, reg, bias_reg)
        self.is_bf16 = is_bf16

    def forward(
        self, user_rows: Tensor, movie_index: Tensor, ratings: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return (loss, squared error), each a scalar summed over the batch; 0 for no rows.

        Args:
            user_rows: [B, U].
            movie_index: [B].
            ratings: [B], rating units.
        """
        movie_rows = self.model.embed_movies(movie_index)
        target = self.model.spec.target
        with torch.autocast(ratings.device.type, torch.bfloat16, enabled=self.is_bf16):
            outputs = self.model.score(user_rows, movie_rows).float()
        if target.kind == "one_of_k":
            loss = functional.cross_entropy(outputs, target.encode(ratings), reduction="sum")
        else:
            loss = (outputs - target.encode(ratings)).square().sum()
        squares = (target.decode(outputs.detach()) - ratings).square().sum()
        if self.reg:
            loss = loss + self.reg * (user_rows.square().sum() + movie_rows.square().sum())
        if self.bias_extra:
            biases = user_rows[:, -1].square().sum() + movie_rows[:, -1].square().sum()
            loss = loss + self.bias_extra * biases
        return loss, squares


def bias_extra(model: RatingModel, reg: float, bias_reg: float | None) -> float:
    """Return the L2 weight of a bias minus that of an embedding; 0 without biases."""
    return bias_reg - reg if model.has_biases and bias_reg is not None else 0.0


class CellObjective(nn.Module):
    """The loss of an autoencoder: squared error over the rated cells of a batch of users."""

    def __init__(self, model: AutoRec, *, is_bf16: bool = False) -> None:
        """Wrap an autoencoder."""
        super().__init__()
        self.model = model
        self.is_bf16 = is_bf16

    def forward(self, centred: Tensor, means: Tensor, is_rated: Tensor) -> tuple[Tensor, Tensor]:
        """Return (loss, squared error), the same scalar twice, summed over rated cells.

        Args:
            centred: [users, movies], ratings minus the user's mean; 0 where there is no rating.
            means: [users], mean rating of each user.
            is_rated: bool [users, movies].
        """
        with torch.autocast(centred.device.type, torch.bfloat16, enabled=self.is_bf16):
            outputs = self.model.decode_all(self.model.encode(centred, means)).float()
        error = (outputs - means[:, None] - centred)[is_rated]
        squares = error.square().sum()
        return squares, squares.detach()
