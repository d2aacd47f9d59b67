"""What every architecture offers to training and scoring.

Shape legend: B rows of a batch, U columns of the user table, V columns of the movie table.

The user table is not part of a module: training shards it by bucket and scoring reads it bucket by
bucket, so a module gets the rows of a batch's users handed in. What is in the module, movie table
and dense layers, is on every rank.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from recspark.config import TrainConfig


class RatingModel(nn.Module, ABC):
    """A module that predicts ratings from user rows and movie indices."""

    user_width: int
    """U: columns that this model needs of a user."""

    @classmethod
    @abstractmethod
    def from_settings(
        cls,
        settings: TrainConfig,
        *,
        num_movies: int,
        rating_mean: float,
        generator: torch.Generator,
    ) -> RatingModel:
        """Return a module with fresh parameters, drawn from `generator`."""

    @abstractmethod
    def hyper_parameters(self) -> dict[str, Any]:
        """Return the constructor's arguments (JSON values): enough to build the module again."""

    @abstractmethod
    def init_users(self, num_users: int, generator: torch.Generator) -> Tensor:
        """Return fresh rows of the user table, float32 [num_users, U] on the CPU."""

    @abstractmethod
    def embed_movies(self, movie_index: Tensor) -> Tensor:
        """Return what is learned of each movie alone, [B, V], for movie_index [B]."""

    @abstractmethod
    def combine(self, user_rows: Tensor, movie_rows: Tensor) -> Tensor:
        """Return predictions [B] in rating units from user_rows [B, U] and movie_rows [B, V]."""

    def forward(self, user_rows: Tensor, movie_index: Tensor) -> Tensor:
        """Return predictions [B] in rating units, not clipped.

        Args:
            user_rows: [B, U], the row of each user.
            movie_index: [B], int32 or int64.
        """
        return self.combine(user_rows, self.embed_movies(movie_index))
