"""An autoencoder over the ratings of a user (U-AutoRec: Sedhain, Menon, Sanner, Xie 2015).

    prediction = mean_u + b_m + w_m · h(ratings of u − mean_u)

Shape legend: B users of a batch, or pairs to predict; M movies; N rated cells of the users; W
columns of the first layer; H columns of the last hidden layer.

It departs from the paper: it uses ReLU, several layers and dropout, and subtracts the user's mean
first. Input and output are sparse: only rated cells are encoded, decoded and part of the loss. So
memory holds the weights of the first layer [M, W] with their gradient and momentum (3 × 50 MB for
17,770 movies and 700 columns), a few numbers per cell of a batch, and [B, W].

A user's row of the table is the encoding (H columns) and the mean. It is computed from the ratings
and not learned. Given the rows, a prediction costs as much as one of biased_mf.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from recspark.errors import ConfigError, describe
from recspark.models.biased_mf import biased_product
from recspark.models.dropout import Dropout
from recspark.models.factors import fold_movies, fold_users
from recspark.models.layers import build_hidden
from recspark.models.rated_cells import Products, RatedCells, SumByUser
from recspark.models.rating_model import RatingModel
from recspark.models.spec import ModelSpec


class AutoRec(RatingModel):
    """Hidden layers encode a user; each movie has a row of weights and a bias to decode."""

    encodes_users = True
    targets = ("raw",)

    def __init__(self, spec: ModelSpec) -> None:
        """Make the module with random layers and movie weights; biases start at 0.

        Raises:
            ConfigError: A layer is unknown, none is dense, or others than dropout precede it.
        """
        super().__init__(spec)
        layers, width = build_hidden(spec.layers, spec.num_movies)
        num_before = next((k for k, one in enumerate(layers) if not isinstance(one, Dropout)), 0)
        first = layers[num_before] if layers else None
        if not isinstance(first, nn.Linear):
            raise ConfigError(
                describe(
                    "train.layers",
                    found=list(spec.layers),
                    expected="at least one `dense N`, with nothing but `dropout P` before it",
                    remedy="Change the model's preset.",
                )
            )
        self.input_dropout = layers[:num_before]
        # Transposed, so that the weights of a movie are a row.
        self.input_weights = nn.Parameter(first.weight.detach().t().contiguous())
        self.input_bias = nn.Parameter(first.bias.detach())
        self.hidden = layers[num_before + 1 :]
        self.user_width = width + 1
        movies = spec.draw(spec.num_movies, width + 1, torch.default_generator)
        movies[:, -1] = 0
        self.movies = nn.Parameter(movies)

    def init_users(self, num_users: int, generator: torch.Generator) -> Tensor:
        """Return rows of 0, [num_users, H + 1], for `encode` to fill."""
        return torch.zeros(num_users, self.user_width)

    def dense_weights(self) -> list[Tensor]:
        """Return the weights of the layers, and of the movies, which are the last one."""
        return [self.input_weights, *super().dense_weights(), self.movies]

    def encode(self, cells: RatedCells, means: Tensor) -> Tensor:
        """Return user rows [B, H + 1].

        Args:
            cells: The ratings of B users.
            means: [B], each user's mean rating in train.
        """
        hidden = self.hidden(self.first_layer(cells, cells.ratings))
        return torch.cat([hidden.float(), means[:, None]], dim=1)

    def first_layer(self, cells: RatedCells, values: Tensor) -> Tensor:
        """Return the first dense layer's output [B, W] for the cells' values [N], with dropout."""
        sums: Tensor = SumByUser.apply(cells, self.input_dropout(values), self.input_weights)
        return sums + self.input_bias

    def decode(self, user_rows: Tensor, cells: RatedCells) -> Tensor:
        """Return the predictions for the cells minus the user's mean, [N], from rows [B, H + 1]."""
        factors = functional.pad(user_rows[:, :-1], (0, 1), value=1.0)
        outputs: Tensor = Products.apply(cells, factors, self.movies)
        return outputs

    def embed_movies(self, movie_index: Tensor) -> Tensor:
        """Return the rows of the movie table, [B, H + 1]."""
        return functional.embedding(movie_index, self.movies)

    def score(self, user_rows: Tensor, movie_rows: Tensor) -> Tensor:
        """Return mean_u + b_m + h · w_m, [B], from rows [B, H + 1] each."""
        return biased_product(user_rows, movie_rows)

    def user_factors(self, user_rows: Tensor) -> Tensor:
        """Return the users' factors, [B, H + 2]; see factors.py."""
        return fold_users(user_rows, self.spec.target)

    def movie_factors(self) -> Tensor:
        """Return the factors of all movies, [M, H + 2]."""
        return fold_movies(self.movies)

    def movie_vectors(self, movie_index: Tensor) -> Tensor:
        """Return the weights without the bias, [B, H]."""
        return self.embed_movies(movie_index)[:, :-1]
