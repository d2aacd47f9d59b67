"""The ratings of some users as a sparse matrix, and its products with tables.

An autoencoder needs only the rated cells of users × movies. Each product here, and each of its
gradients, is a weighted sum of rows of a table per user or per movie (an embedding bag), or an
inner product per cell.

Shape legend: B users, M movies, N rated cells, C columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

# Cells whose rows are gathered at a time. On the CPU, so many rows of some 100 columns stay in the
# processor's cache.
CPU_CELLS = 4096
CUDA_CELLS = 1 << 18


@dataclass(frozen=True)
class RatedCells:
    """The rated cells of B users, sorted by user.

    Attributes:
        starts: int32 [B + 1], where each user's cells begin; the last entry is N.
        users: int32 [N], from 0 to B - 1.
        movies: int32 [N].
        ratings: float32 [N], minus the user's mean.
        num_movies: M.
    """

    starts: Tensor
    users: Tensor
    movies: Tensor
    ratings: Tensor
    num_movies: int

    def sum_by_user(self, values: Tensor, table: Tensor) -> Tensor:
        """Return, for each user, the sum over the cells of value · table[movie], [B, C].

        Args:
            values: [N].
            table: [M, C].
        """
        return _bag(self.movies, table, self.starts, values)

    def sum_by_movie(self, values: Tensor, table: Tensor) -> Tensor:
        """Return, for each movie, the sum over the cells of value · table[user], [M, C].

        Args:
            values: [N].
            table: [B, C].
        """
        order, users, starts = self._by_movie
        return _bag(users, table, starts, values.index_select(0, order))

    @cached_property
    def _by_movie(self) -> tuple[Tensor, Tensor, Tensor]:
        """The cells in the order of movies, their users, and where each movie's begin [M + 1]."""
        movies, order = self.movies.sort(stable=True)
        bounds = torch.arange(self.num_movies + 1, dtype=torch.int32, device=movies.device)
        starts = torch.searchsorted(movies, bounds, out_int32=True)
        return order, self.users.index_select(0, order), starts

    def products(self, user_rows: Tensor, movie_rows: Tensor) -> Tensor:
        """Return the inner product of the user's and the movie's row for each cell, [N].

        Args:
            user_rows: [B, C].
            movie_rows: [M, C].
        """
        size = CUDA_CELLS if user_rows.is_cuda else CPU_CELLS
        found = user_rows.new_empty(len(self.movies))
        for part, users, movies in zip(
            found.split(size), self.users.split(size), self.movies.split(size), strict=True
        ):
            pairs = functional.embedding(users, user_rows)
            pairs.mul_(functional.embedding(movies, movie_rows))
            torch.sum(pairs, dim=1, out=part)
        return found


def _bag(rows: Tensor, table: Tensor, starts: Tensor, values: Tensor) -> Tensor:
    return functional.embedding_bag(
        rows, table, starts, mode="sum", per_sample_weights=values, include_last_offset=True
    )


class SumByUser(torch.autograd.Function):
    """`RatedCells.sum_by_user`, with the gradient of the table."""

    @staticmethod
    def forward(ctx: Any, cells: RatedCells, values: Tensor, table: Tensor) -> Tensor:
        """Return [B, C]."""
        ctx.cells, ctx.values = cells, values
        return cells.sum_by_user(values, table)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None, Tensor]:
        """Return the gradient of the table."""
        return None, None, ctx.cells.sum_by_movie(ctx.values, gradients[0].contiguous())


class Products(torch.autograd.Function):
    """`RatedCells.products`, with the gradients of both tables."""

    @staticmethod
    def forward(ctx: Any, cells: RatedCells, user_rows: Tensor, movie_rows: Tensor) -> Tensor:
        """Return [N]."""
        ctx.cells = cells
        ctx.save_for_backward(user_rows, movie_rows)
        return cells.products(user_rows, movie_rows)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor, Tensor]:
        """Return the gradients of both tables."""
        user_rows, movie_rows = ctx.saved_tensors
        cells, values = ctx.cells, gradients[0].contiguous()
        by_user = cells.sum_by_user(values, movie_rows)
        return None, by_user, cells.sum_by_movie(values, user_rows)
