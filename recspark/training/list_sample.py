"""NDCG@10 on valid, the figure of models that rank movies and predict no ratings.

It is that of `evaluation/top_n.py`, with lists over all movies of train, of some of the users.

Shape legend: S users measured, M movies, B users of a block, N ratings.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recspark.arrays.user_buckets import Shard, users_of
from recspark.models.rating_model import RatingModel
from recspark.training.batches import Ratings
from recspark.training.group import Group

# Users measured over all ranks: enough for three digits, and a second of one core at 17,770 movies.
MAX_USERS = 8192
TOP_K = 10
# Scores that are held at a time.
_SCORES = 1 << 22


@dataclass(frozen=True)
class ListSample:
    """The users whose lists are measured, and what they rated in train.

    Attributes:
        rows: int64 [S], ascending, the rank's users that are measured.
        starts: int64 [S + 1], where each one's movies begin.
        movies: int64 [N], that they rated in train.
        relevant_rating: Ratings from it on show that a user liked the movie.
    """

    rows: Tensor
    starts: Tensor
    movies: Tensor
    relevant_rating: float

    @staticmethod
    def of(
        found: Ratings, shard: Shard, relevant_rating: float | None, device: torch.device
    ) -> ListSample:
        """Return every n-th user of the index; the sample does not depend on the ranks.

        Args:
            found: The rank's ratings of train.
            shard: The rank's buckets.
            relevant_rating: None if every rating shows that a user liked the movie.
            device: Where lists are measured.
        """
        stride = -(-shard.num_users // MAX_USERS)
        names = np.concatenate(
            [users_of(one, shard.num_users, shard.num_buckets) for one in shard.buckets]
        )
        is_measured = torch.from_numpy(names % stride == 0).to(found.packed.device)
        rows = is_measured.nonzero()[:, 0]
        kept = found.packed[is_measured[found.user_rows.long()]].long()
        order = torch.argsort(kept[:, 0], stable=True)
        starts = torch.searchsorted(kept[order, 0].contiguous(), rows)
        ends = starts.new_full((1,), len(kept))
        limit = -torch.inf if relevant_rating is None else relevant_rating
        starts, movies = torch.cat([starts, ends]), kept[order, 1]
        return ListSample(rows.to(device), starts.to(device), movies.to(device), limit)

    @torch.no_grad()
    def measure(
        self,
        model: RatingModel,
        user_rows: Tensor,
        valid: Ratings,
        seen: tuple[Tensor, Tensor],
        group: Group,
    ) -> float | None:
        """Return the mean NDCG of users with a rating in train and a liked movie in valid.

        All ranks call it together. None if there are no such users.

        Args:
            model: With factors; left in evaluation mode.
            user_rows: [R, U], of the rank's users.
            valid: The rank's ratings of valid.
            seen: Users of the rank and movies of all ranks with a rating in train, bool.
            group: The ranks.
        """
        movies = model.eval().movie_factors()
        assert movies is not None
        liked = valid.packed[valid.ratings >= self.relevant_rating].long()
        is_usable = torch.isin(liked[:, 0], self.rows) & seen[0][liked[:, 0]]
        liked = liked[is_usable]
        users, owners = torch.unique(liked[:, 0], return_inverse=True)
        sums = torch.zeros(2, dtype=torch.float64, device=movies.device)
        step = max(1, _SCORES // len(movies))
        for first in range(0, len(users), step):
            rows = users[first : first + step]
            factors = model.user_factors(user_rows[rows])
            assert factors is not None
            scores = factors @ movies.T
            scores[:, ~seen[1]] = -torch.inf
            scores[self._known(rows)] = -torch.inf
            is_liked = torch.zeros_like(scores, dtype=torch.bool)
            mine = (owners >= first) & (owners < first + step)
            is_liked[owners[mine] - first, liked[mine, 1]] = True
            sums[0] += _ndcg(scores, is_liked)
            sums[1] += len(rows)
        total, count = group.sum(sums).tolist()
        return total / count if count else None

    def _known(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return (place in `rows`, movie) of what these users rated in train."""
        places = torch.searchsorted(self.rows, rows)
        firsts = self.starts[places]
        counts = self.starts[places + 1] - firsts
        owners = torch.repeat_interleave(counts)
        shifts = firsts - (counts.cumsum(0) - counts)
        return owners, self.movies[torch.arange(len(owners), device=rows.device) + shifts[owners]]


def _ndcg(scores: Tensor, is_liked: Tensor) -> Tensor:
    """Return the sum over users of NDCG, from [B, M] each; movies of −∞ are in no list."""
    size = min(TOP_K, scores.shape[1])
    values, listed = scores.topk(size)
    gains = (is_liked.gather(1, listed) & values.isfinite()).double()
    discounts = 1 / torch.arange(2, size + 2, device=scores.device).double().log2()
    best = torch.cat([discounts.new_zeros(1), discounts.cumsum(0)])
    return (gains @ discounts / best[is_liked.sum(dim=1).clamp_max(size)]).sum()
