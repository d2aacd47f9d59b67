"""Biased matrix factorisation: target = b_u + b_m + p_u · q_m (Koren 2009, equation 4).

With the target `centered` this is the mean rating plus the biases and the interaction.

Shape legend: B rows of a batch, F factors, M movies. A row of either table is F factors, then the
bias in the last column.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from recspark.models.factors import fold_movies, fold_users
from recspark.models.rating_model import RatingModel
from recspark.models.spec import ModelSpec


class BiasedMF(RatingModel):
    """Factors and a bias for each user and each movie."""

    has_biases = True
    is_inner_product = True

    def __init__(self, spec: ModelSpec) -> None:
        """Make the module with random movie factors; biases start at 0."""
        super().__init__(spec)
        self.user_width = spec.embedding_size + 1
        self.movies = nn.Parameter(self.init_users(spec.num_movies, torch.default_generator))

    def init_users(self, num_users: int, generator: torch.Generator) -> Tensor:
        """Return rows of random factors and a bias of 0, [num_users, F + 1]."""
        rows = self.spec.draw(num_users, self.user_width, generator)
        rows[:, -1] = 0
        return rows

    def embed_movies(self, movie_index: Tensor) -> Tensor:
        """Return the rows of the movie table, [B, F + 1]."""
        return functional.embedding(movie_index, self.movies)

    def score(self, user_rows: Tensor, movie_rows: Tensor) -> Tensor:
        """Return b_u + b_m + p · q, [B], from rows [B, F + 1] each."""
        return biased_product(user_rows, movie_rows)

    def user_factors(self, user_rows: Tensor) -> Tensor:
        """Return the users' factors, [B, F + 2]; see factors.py."""
        return fold_users(user_rows, self.spec.target)

    def movie_factors(self) -> Tensor | None:
        """Return the factors of all movies, [M, F + 2]."""
        return fold_movies(self.movies)

    def movie_vectors(self, movie_index: Tensor) -> Tensor:
        """Return the factors without the bias, [B, F]."""
        return self.embed_movies(movie_index)[:, :-1]


def biased_product(user_rows: Tensor, movie_rows: Tensor) -> Tensor:
    """Return the sum of the last columns plus the inner product of the others, [B]."""
    product = (user_rows[:, :-1] * movie_rows[:, :-1]).sum(dim=1)
    return user_rows[:, -1] + movie_rows[:, -1] + product
