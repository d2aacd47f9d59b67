"""What training lowers: squared error plus L2 on just those parameters that a row uses.

Shape legend: B rows of a batch, U columns of the user table.

Penalising the used rows alone keeps the cost of a step in proportion to the batch, and weighs a
user's or movie's penalty by its number of ratings, as Koren's SGD does (2009, equation 5).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from recspark.models.rating_model import RatingModel


class Objective(nn.Module):
    """The loss of a batch as a module, so that DDP wraps model and loss in one forward pass."""

    def __init__(self, model: RatingModel, reg: float) -> None:
        """Wrap a model.

        Args:
            model: The model to train.
            reg: L2 weight per row and used parameter.
        """
        super().__init__()
        self.model = model
        self.reg = reg

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
        error = self.model.combine(user_rows, movie_rows) - ratings
        squared_error = error.square().sum()
        penalty = user_rows.square().sum() + movie_rows.square().sum()
        return squared_error + self.reg * penalty, squared_error.detach()


def squared_error(
    model: RatingModel, user_rows: Tensor, movie_index: Tensor, ratings: Tensor
) -> Tensor:
    """Return the sum of squared errors of a batch, a float64 scalar, without gradients."""
    with torch.no_grad():
        error = model(user_rows, movie_index) - ratings
        return error.double().square().sum()
