"""The interface of every architecture to training and scoring.

Shape legend: B rows of a batch, U columns of the user table, V columns of the movie table, K
outputs per row.

The user table is not part of a module: training shards it by bucket and scoring reads it bucket by
bucket, so a module receives the rows of a batch's users. The module's own parameters, movie table
and dense layers, are on every rank.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from recspark.errors import ConfigError, describe
from recspark.models.spec import ModelSpec
from recspark.models.target import TargetKind


class RatingModel(nn.Module, ABC):
    """A module that predicts ratings from user rows and movie indices."""

    user_width: int
    """U: columns of a user's row."""
    encodes_users: ClassVar[bool] = False
    """Whether `encode` computes user rows, which are then not learned; see autorec.py."""
    has_biases: ClassVar[bool] = False
    """Whether the last column of both tables is a bias, with a separate L2 weight."""
    is_inner_product: ClassVar[bool] = False
    """Whether `score` is the inner product of the rows' factors, plus the biases if it has them."""
    targets: ClassVar[tuple[TargetKind, ...]] = ("raw", "centered", "standardized")
    """The kinds of target that fit the output of `score`."""

    def __init__(self, spec: ModelSpec) -> None:
        """Keep the spec; architectures make their random parameters from it.

        Raises:
            ConfigError: The target does not fit the architecture.
        """
        super().__init__()
        if spec.target.kind not in self.targets:
            raise ConfigError(
                describe(
                    "train.target",
                    found=spec.target.kind,
                    expected=f"{' or '.join(self.targets)} with {type(self).__name__}",
                    remedy="Change it in the model's preset.",
                )
            )
        self.spec = spec

    @classmethod
    def build(cls, spec: ModelSpec, generator: torch.Generator) -> RatingModel:
        """Return a module whose parameters depend on the spec and the generator's seed alone."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(generator.initial_seed())
            return cls(spec)

    @abstractmethod
    def init_users(self, num_users: int, generator: torch.Generator) -> Tensor:
        """Return initial rows of the user table, float32 [num_users, U] on the CPU."""

    @abstractmethod
    def embed_movies(self, movie_index: Tensor) -> Tensor:
        """Return the rows of the movie table, [B, V], for movie_index [B]."""

    @abstractmethod
    def score(self, user_rows: Tensor, movie_rows: Tensor) -> Tensor:
        """Return outputs from [B, U] and [B, V]; `spec.target` decides between [B] and [B, K]."""

    def dense_weights(self) -> list[Tensor]:
        """Return the weights of the dense layers, which `train.weight_decay` applies to."""
        return [module.weight for module in self.modules() if isinstance(module, nn.Linear)]

    def combine(self, user_rows: Tensor, movie_rows: Tensor) -> Tensor:
        """Return predictions [B] in rating units from user_rows [B, U] and movie_rows [B, V]."""
        return self.spec.target.decode(self.score(user_rows, movie_rows))

    def user_factors(self, user_rows: Tensor) -> Tensor | None:
        """Return [B, K] for user_rows [B, U] if a prediction is an inner product, else None.

        The prediction is then `user_factors · movie_factors`; constants and biases are separate
        columns. This makes scoring and top-N lists much faster.
        """
        return None

    def movie_factors(self) -> Tensor | None:
        """Return the factors of all movies, [M, K], for `user_factors`; None where it returns None.

        A subclass that overrides `score` of a class with factors must override this too.
        """
        return None

    def movie_vectors(self, movie_index: Tensor) -> Tensor:
        """Return the vectors that movie similarity compares, [B, any], for movie_index [B].

        A vector is the movie's embedding without columns that say how good a movie is.
        """
        return self.embed_movies(movie_index)

    def forward(self, user_rows: Tensor, movie_index: Tensor) -> Tensor:
        """Return predictions [B] in rating units, not clipped.

        Args:
            user_rows: [B, U], the row of each user.
            movie_index: [B], int32 or int64.
        """
        return self.combine(user_rows, self.embed_movies(movie_index))
