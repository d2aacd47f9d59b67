"""Biased matrix factorisation: rating = mean + b_u + b_m + p_u · q_m (Koren 2009, equation 4).

Shape legend: B rows of a batch, F factors, M movies. A row of either table is F factors, then the
bias in the last column.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from recspark.config import TrainConfig
from recspark.models.rating_model import RatingModel


class BiasedMF(RatingModel):
    """Factors and a bias for each user and movie around the mean rating of train."""

    def __init__(
        self, *, num_movies: int, embedding_size: int, init_std: float, rating_mean: float
    ) -> None:
        """Make the module with a movie table of zeros, to be initialised or loaded.

        Args:
            num_movies: M, rows of the movie table.
            embedding_size: F.
            init_std: Standard deviation of fresh factors; fresh biases are 0.
            rating_mean: Mean rating of train.
        """
        super().__init__()
        self.init_std = init_std
        self.rating_mean = rating_mean
        self.user_width = embedding_size + 1
        self.movies = nn.Parameter(torch.zeros(num_movies, embedding_size + 1))

    @classmethod
    def from_settings(
        cls,
        settings: TrainConfig,
        *,
        num_movies: int,
        rating_mean: float,
        generator: torch.Generator,
    ) -> BiasedMF:
        """Return a module whose movie factors are drawn from `generator`."""
        model = cls(
            num_movies=num_movies,
            embedding_size=settings.embedding_size,
            init_std=settings.init_std,
            rating_mean=rating_mean,
        )
        with torch.no_grad():
            model.movies.copy_(model.init_users(num_movies, generator))
        return model

    def hyper_parameters(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            "num_movies": len(self.movies),
            "embedding_size": self.user_width - 1,
            "init_std": self.init_std,
            "rating_mean": self.rating_mean,
        }

    def init_users(self, num_users: int, generator: torch.Generator) -> Tensor:
        """Return rows of normal factors and a bias of 0, [num_users, F + 1]."""
        rows = torch.randn(num_users, self.user_width, generator=generator).mul_(self.init_std)
        rows[:, -1] = 0
        return rows

    def embed_movies(self, movie_index: Tensor) -> Tensor:
        """Return the rows of the movie table, [B, F + 1]."""
        return functional.embedding(movie_index, self.movies)

    def combine(self, user_rows: Tensor, movie_rows: Tensor) -> Tensor:
        """Return mean + b_u + b_m + p · q, [B], from rows [B, F + 1] each."""
        taste = (user_rows[:, :-1] * movie_rows[:, :-1]).sum(dim=1)
        return self.rating_mean + user_rows[:, -1] + movie_rows[:, -1] + taste
