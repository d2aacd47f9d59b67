"""A rank's part of the user table, with an optimiser that can touch only the rows of a batch.

Shape legend: R rows of the rank's table, B rows of a batch, D distinct users in it, U columns.

Dense Adam moves every row of the table in every step: at 480,189 users × 65 columns that is 375 MB
of traffic for a batch that needs a fraction of it. Here a user without a rating in a step keeps its
row and its moments ("lazy" Adam, as in torch.optim.SparseAdam), at a cost of O(D). Textbook Adam
over the whole table is available for recipes that ask for it.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from recspark.arrays.user_buckets import Shard
from recspark.config import TrainConfig
from recspark.models.rating_model import RatingModel
from recspark.training.seeds import make_generator

BETAS = (0.9, 0.999)
EPSILON = 1e-8
# Rows updated at a time. A chunk fits in the processor's cache (37 ms instead of 107 for 57,000
# rows of 65 columns on one core).
CHUNK_ROWS = 1024


class UserTable:
    """The embeddings of a rank's users and their optimiser state, [R, U] float32 each.

    Attributes:
        rows: The embeddings.
        memory: The optimiser state by name: Adam's two moments, or the velocity of SGD.
        num_steps: Steps taken so far.
    """

    def __init__(self, rows: Tensor, settings: TrainConfig) -> None:
        """Take over `rows` [R, U]; the optimiser state starts at zero."""
        self.rows = rows
        self.num_steps = 0
        names = ("mean", "square") if settings.optimizer == "adam" else ("velocity",)
        self.memory = {name: torch.zeros_like(rows) for name in names}
        self._momentum = settings.momentum
        self._is_whole = settings.embedding_updates == "table"
        self._pending: tuple[Tensor, Tensor] | None = None

    def gather(self, user_rows: Tensor) -> Tensor:
        """Return the embeddings of a batch [B, U]; `gradient` will return their gradient.

        Args:
            user_rows: [B], rows of this table, repeats allowed.
        """
        if self._is_whole:
            touched, inverse = torch.arange(len(self.rows), device=self.rows.device), user_rows
            leaf = self.rows.detach().requires_grad_()
        else:
            touched, inverse = torch.unique(user_rows, return_inverse=True)
            leaf = functional.embedding(touched, self.rows).requires_grad_()
        self._pending = touched, leaf
        return functional.embedding(inverse, leaf)

    @property
    def gradient(self) -> Tensor:
        """The gradient of the distinct rows of the last batch, [D, U], after backward."""
        assert self._pending is not None
        leaf = self._pending[1]
        if leaf.grad is None:
            leaf.grad = torch.zeros_like(leaf)
        return leaf.grad

    def update(self, learning_rate: float) -> None:
        """Take one step along `gradient` on the rows of the last batch (table: on all rows)."""
        assert self._pending is not None
        self.step(self._pending[0], self.gradient, learning_rate)
        self._pending = None

    def step(self, touched: Tensor, gradient: Tensor, learning_rate: float) -> None:
        """Take one step on some rows.

        Args:
            touched: [D], distinct rows of this table (table: all of them, in order).
            gradient: [D, U].
            learning_rate: Step size.
        """
        self.num_steps += 1
        change = self._adam if "mean" in self.memory else self._sgd
        tables = (self.rows, *self.memory.values())
        for start in range(0, len(touched), CHUNK_ROWS):
            span = slice(start, start + CHUNK_ROWS)
            if self._is_whole:
                change(gradient[span], learning_rate, *(table[span] for table in tables))
                continue
            parts = [functional.embedding(touched[span], table) for table in tables]
            change(gradient[span], learning_rate, *parts)
            target = touched[span].long()  # torch indexes by int64 when it writes
            for table, part in zip(tables, parts, strict=True):
                table[target] = part

    def _adam(
        self, grad: Tensor, learning_rate: float, rows: Tensor, mean: Tensor, square: Tensor
    ) -> None:
        """Adam (Kingma and Ba 2015, algorithm 1), bias corrections folded into step and epsilon.

        Changes `rows`, `mean` and `square` [D, U] in place.
        """
        decay_mean, decay_square = BETAS
        root = (1 - decay_square**self.num_steps) ** 0.5
        step_size = learning_rate * root / (1 - decay_mean**self.num_steps)
        mean.lerp_(grad, 1 - decay_mean)
        square.mul_(decay_square).addcmul_(grad, grad, value=1 - decay_square)
        change = mean / square.sqrt().add_(EPSILON * root)
        rows.sub_(change, alpha=step_size)

    def _sgd(self, grad: Tensor, learning_rate: float, rows: Tensor, velocity: Tensor) -> None:
        """Momentum as in torch.optim.SGD: v ← momentum · v + g, row ← row − rate · v, in place."""
        velocity.mul_(self._momentum).add_(grad)
        rows.sub_(velocity, alpha=learning_rate)


def init_user_rows(model: RatingModel, shard: Shard, seed: int) -> Tensor:
    """Return a rank's initial rows, [R, U]. A user's row does not depend on the number of ranks."""
    rows = torch.empty(shard.num_rows, model.user_width)
    for bucket, offset in shard.offsets.items():
        num_users = shard.bucket_users(bucket)
        generator = make_generator(seed, "users", bucket)
        rows[offset : offset + num_users] = model.init_users(num_users, generator)
    return rows
