"""A rank's ratings by user, from which batches of whole users are cut.

Shape legend: B users of a batch, M movies, R users of the rank, N ratings of the rank.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recspark.models.rated_cells import RatedCells
from recspark.training.batches import Ratings


@dataclass(frozen=True)
class UserRatings:
    """The rank's ratings, grouped by user.

    Attributes:
        starts: int64 [R + 1] on the CPU, where each user's ratings begin; the last entry is N.
        movies: int32 [N].
        ratings: float32 [N].
        means: float32 [R], mean rating of each user; the overall mean for users without ratings.
        num_movies: M.
    """

    starts: Tensor
    movies: Tensor
    ratings: Tensor
    means: Tensor
    num_movies: int

    @classmethod
    def of(cls, found: Ratings, num_users: int, num_movies: int, rating_mean: float) -> UserRatings:
        """Return the ratings grouped by user; `found` is not needed afterwards."""
        order = torch.argsort(found.user_rows, stable=True)
        counts = torch.bincount(found.user_rows, minlength=num_users)
        sums = torch.zeros(num_users, dtype=torch.float64, device=counts.device)
        sums.index_add_(0, found.user_rows, found.ratings.double())
        means = torch.where(counts > 0, sums / counts.clamp_min(1), rating_mean).float()
        starts = torch.cat([counts.new_zeros(1), counts.cumsum(0)]).cpu()
        return cls(starts, found.movie_index[order], found.ratings[order], means, num_movies)

    def cells(self, users: Tensor) -> tuple[RatedCells, Tensor]:
        """Return the cells of some users, and their means [B].

        Args:
            users: int32 or int64 [B] on the CPU, rows of the rank's users.
        """
        device = self.means.device
        users = users.long()
        firsts = self.starts[users]
        counts = self.starts[users + 1] - firsts
        ends = counts.cumsum(0)
        # A user's cells are neighbours here and there, so one shift moves all of them.
        shifts = firsts - (ends - counts)
        starts = torch.cat([ends.new_zeros(1), ends]).int()
        users, shifts, counts, starts = (
            one.to(device, non_blocking=True) for one in (users, shifts, counts, starts)
        )
        size = int(ends[-1]) if len(ends) else 0
        numbers = torch.arange(len(users), dtype=torch.int32, device=device)
        owners = torch.repeat_interleave(numbers, counts, output_size=size)
        places = torch.arange(size, device=device) + shifts.index_select(0, owners)
        means = self.means.index_select(0, users)
        ratings = self.ratings.index_select(0, places) - means.index_select(0, owners)
        movies = self.movies.index_select(0, places)
        return RatedCells(starts, owners, movies, ratings, self.num_movies), means
