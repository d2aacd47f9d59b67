"""An autoencoder over the ratings of a user (U-AutoRec: Sedhain, Menon, Sanner, Xie 2015).

    prediction = mean_u + b_m + w_m · h(ratings of u − mean_u)

Shape legend: B users of a batch, or pairs to predict; M movies; H columns of the last hidden layer.

It departs from the paper: it uses ReLU, several layers and dropout, and subtracts the user's mean
first. Input and output are dense, [B, M] float32: 512 users of 17,770 movies are 36 MB each way, so
the number of movies limits it (some 100,000).

A user's row of the table is the encoding (H columns) and the mean. It is computed from the ratings
and not learned. Given the rows, a prediction costs as much as one of biased_mf.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from recspark.errors import ConfigError, describe
from recspark.models.biased_mf import biased_product
from recspark.models.factors import fold_movies, fold_users
from recspark.models.layers import build_hidden
from recspark.models.rating_model import RatingModel
from recspark.models.spec import ModelSpec


class AutoRec(RatingModel):
    """Hidden layers encode a user; each movie has a row of weights and a bias to decode."""

    encodes_users = True
    targets = ("raw",)

    def __init__(self, spec: ModelSpec) -> None:
        """Make the module with random layers and movie weights; biases start at 0.

        Raises:
            ConfigError: A layer is unknown, or none is dense.
        """
        super().__init__(spec)
        self.hidden, width = build_hidden(spec.layers, spec.num_movies)
        if not any(isinstance(module, nn.Linear) for module in self.hidden):
            raise ConfigError(
                describe(
                    "train.layers",
                    found=list(spec.layers),
                    expected="at least one `dense N`",
                    remedy="Change the model's preset.",
                )
            )
        self.user_width = width + 1
        movies = spec.draw(spec.num_movies, width + 1, torch.default_generator)
        movies[:, -1] = 0
        self.movies = nn.Parameter(movies)

    def init_users(self, num_users: int, generator: torch.Generator) -> Tensor:
        """Return rows of 0, [num_users, H + 1], for `encode` to fill."""
        return torch.zeros(num_users, self.user_width)

    def dense_weights(self) -> list[Tensor]:
        """Return the weights of the layers and those of the movies, with which it decodes."""
        return [*super().dense_weights(), self.movies]

    def encode(self, ratings: Tensor, mean: Tensor) -> Tensor:
        """Return user rows [B, H + 1].

        Args:
            ratings: [B, M], minus the user's mean; 0 where there is no rating.
            mean: [B], each user's mean rating in train.
        """
        return torch.cat([self.hidden(ratings), mean[:, None]], dim=1)

    def decode_all(self, user_rows: Tensor) -> Tensor:
        """Return the ratings of every movie, [B, M], from user rows [B, H + 1]."""
        ratings = functional.linear(user_rows[:, :-1], self.movies[:, :-1], self.movies[:, -1])
        return ratings + user_rows[:, -1:]

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
