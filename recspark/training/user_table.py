"""A rank's part of the user table, with Adam that touches only the rows of a batch.

Shape legend: R rows of the rank's table, B rows of a batch, D different users in it, U columns.

Dense Adam moves every row of the table in every step: at 480,189 users × 65 columns that is 375 MB
of traffic for a batch that needs a fraction of it. Here a user without a rating in a step stays as
it is, its moments included ("lazy" Adam, as torch.optim.SparseAdam), at a cost of O(D).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from recspark.models.rating_model import RatingModel
from recspark.training.seeds import make_generator
from recspark.training.shard import Shard

BETAS = (0.9, 0.999)
EPSILON = 1e-8
# Rows updated at a time: what a chunk needs stays in the processor's cache (37 ms instead of 107
# for 57,000 rows of 65 columns on one core).
CHUNK_ROWS = 1024


class UserTable:
    """The rows of a rank's users and their Adam moments, all [R, U] float32 on one device."""

    def __init__(self, rows: Tensor) -> None:
        """Take over `rows` [R, U] and start with moments of zero."""
        self.rows = rows
        self._mean = torch.zeros_like(rows)
        self._square = torch.zeros_like(rows)
        self._num_steps = 0

    def gather(self, user_rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return (which, leaf, batch): the different rows of a batch, to be trained.

        Args:
            user_rows: [B], rows of this table, repeats allowed.

        Returns:
            which [D], the different rows; leaf [D, U], their values, where the gradient arrives;
            batch [B, U], the value for each row of the batch, connected to leaf.
        """
        which, inverse = torch.unique(user_rows, return_inverse=True)
        leaf = functional.embedding(which, self.rows).requires_grad_()
        return which, leaf, functional.embedding(inverse, leaf)

    def update(self, which: Tensor, gradient: Tensor, learning_rate: float) -> None:
        """Take one step of Adam (Kingma and Ba 2015, algorithm 1) on some rows.

        Args:
            which: [D], rows of this table, all different.
            gradient: [D, U].
            learning_rate: Step size.
        """
        self._num_steps += 1
        decay_mean, decay_square = BETAS
        # The bias corrections of the moments, folded into the step size and epsilon.
        root = (1 - decay_square**self._num_steps) ** 0.5
        step_size = learning_rate * root / (1 - decay_mean**self._num_steps)
        for rows, grad in zip(which.split(CHUNK_ROWS), gradient.split(CHUNK_ROWS), strict=True):
            mean = functional.embedding(rows, self._mean).lerp_(grad, 1 - decay_mean)
            square = functional.embedding(rows, self._square).mul_(decay_square)
            square.addcmul_(grad, grad, value=1 - decay_square)
            # torch indexes by int64 when it writes
            target = rows.long()
            self._mean[target], self._square[target] = mean, square
            change = mean / (square.sqrt_().add_(EPSILON * root))
            self.rows[target] = functional.embedding(rows, self.rows).sub_(change, alpha=step_size)


def init_user_rows(model: RatingModel, shard: Shard, seed: int) -> Tensor:
    """Return a rank's fresh rows, [R, U]; a user's row is the same on any number of ranks."""
    rows = torch.empty(shard.num_rows, model.user_width)
    for bucket, offset in shard.offsets.items():
        num_users = shard.bucket_users(bucket)
        generator = make_generator(seed, "users", bucket)
        rows[offset : offset + num_users] = model.init_users(num_users, generator)
    return rows
