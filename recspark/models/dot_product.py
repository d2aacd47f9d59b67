"""Matrix factorisation without biases: target = p_u · q_m (Koren 2009, equation 1).

Shape legend: B rows of a batch, F factors, M movies.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from recspark.models.factors import add_bias, fold_movies, fold_users
from recspark.models.rating_model import RatingModel
from recspark.models.spec import ModelSpec


class DotProduct(RatingModel):
    """Factors for each user and each movie, and nothing else."""

    is_inner_product = True

    def __init__(self, spec: ModelSpec) -> None:
        """Make the module with random movie factors."""
        super().__init__(spec)
        self.user_width = spec.embedding_size
        self.movies = nn.Parameter(self.init_users(spec.num_movies, torch.default_generator))

    def init_users(self, num_users: int, generator: torch.Generator) -> Tensor:
        """Return rows of random factors, [num_users, F]."""
        return self.spec.draw(num_users, self.user_width, generator)

    def embed_movies(self, movie_index: Tensor) -> Tensor:
        """Return the rows of the movie table, [B, F]."""
        return functional.embedding(movie_index, self.movies)

    def score(self, user_rows: Tensor, movie_rows: Tensor) -> Tensor:
        """Return p · q, [B], from rows [B, F] each."""
        return (user_rows * movie_rows).sum(dim=1)

    def user_factors(self, user_rows: Tensor) -> Tensor:
        """Return the users' factors, [B, F + 2]; see factors.py."""
        return fold_users(add_bias(user_rows), self.spec.target)

    def movie_factors(self) -> Tensor | None:
        """Return the factors of all movies, [M, F + 2]."""
        return fold_movies(add_bias(self.movies))
