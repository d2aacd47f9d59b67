"""A rank's users, updated only where a step has ratings of them.

Shape legend: R users of the rank, B rows of a batch, U columns.

A batch takes copies of its users' rows, so autograd gives a gradient for each place of the batch.
A user's gradient is the sum over the places. On the CPU a compiled loop sums and updates in one
pass. On a GPU tensor operations do the same and never wait for the device: the number of distinct
users stays unknown, and all places of a user write the same new row.
"""

from __future__ import annotations

from itertools import pairwise, starmap

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from recspark.arrays.compiled import Threads
from recspark.arrays.user_buckets import Shard
from recspark.config import TrainConfig
from recspark.models.rating_model import RatingModel
from recspark.training.optimisers import BETAS, Update, empty_table, make_memory, memory_arrays
from recspark.training.order_loops import Ints, cut, order_by_row
from recspark.training.row_loops import sum_squares, update_rows
from recspark.training.seeds import make_generator

Part = tuple[slice, Ints, Ints]
"""(where it is in the batch, its rows, their order)"""


class UserTable:
    """The rows of a rank's users and their optimiser state, [R, U] float32 each.

    Attributes:
        rows: The embeddings.
        memory: The optimiser state by name: Adam's two moments, or the velocity of SGD.
    """

    def __init__(self, rows: Tensor, settings: TrainConfig, threads: Threads) -> None:
        """Take over `rows`; the optimiser state starts at zero."""
        self.rows = rows
        self.memory = make_memory(rows, settings)
        self._settings, self._threads = settings, threads

    def gather(self, users: Tensor) -> Tensor:
        """Return copies of the rows of a batch, [B, U], whose gradient `update` will use.

        Args:
            users: int32 [B], rows of this table, repeats allowed.
        """
        self._users = users
        self._leaf = functional.embedding(users, self.rows).requires_grad_()
        self._parts: list[Part] | None = None
        return self._leaf

    def gradient_squares(self) -> Tensor:
        """Return the squared norm of the gradient of the rows, float64, a scalar."""
        if self.rows.is_cuda:
            return self._sums_by_user()[2].double().square().sum()
        gradient = self._gradient().numpy()
        squares = [sum_squares(rows, order, gradient[span]) for span, rows, order in self._cut()]
        return torch.tensor(sum(squares), dtype=torch.float64)

    def update(self, learning_rate: float, step: int, scale: Tensor | None = None) -> None:
        """Take one step on the rows of the batch.

        Args:
            learning_rate: Step size.
            step: Steps so far with this one, over all batches.
            scale: Factor on the gradient, a scalar.
        """
        change = Update.of(self._settings, learning_rate, step)
        if self.rows.is_cuda:
            self.update_by_tensors(change, scale)
        else:
            self._update_by_loops(change, 1.0 if scale is None else float(scale))

    def _update_by_loops(self, change: Update, scale: float) -> None:
        gradient, table = self._gradient().numpy(), self.rows.numpy()
        tables, numbers = (table, *memory_arrays(self.memory)), change.for_loops()
        parts = self._cut()

        def update(part: int) -> None:
            span, rows, order = parts[part]
            update_rows(rows, order, gradient[span], np.float32(scale), *tables, *numbers)

        self._threads.run(update)

    def update_by_tensors(self, change: Update, scale: Tensor | None) -> None:
        """Take one step by tensor operations on any device; those of a GPU are not waited for."""
        users, firsts, sums = self._sums_by_user()
        gradient = sums.index_select(0, firsts)
        if scale is not None:
            gradient = gradient * scale
        rows = self.rows.index_select(0, users)
        memory = {name: table.index_select(0, users) for name, table in self.memory.items()}
        if change.is_adam:
            mean, square = memory["mean"], memory["square"]
            mean.lerp_(gradient, 1 - change.decay)
            square.lerp_(gradient.square(), 1 - BETAS[1])
            rows.addcdiv_(mean, square.sqrt().add_(change.epsilon), value=-change.rate)
        else:
            velocity = memory["velocity"].mul_(change.decay).add_(gradient)
            rows.sub_(velocity, alpha=change.rate)
        self.rows.index_copy_(0, users, rows)
        for name, part in memory.items():
            self.memory[name].index_copy_(0, users, part)

    def _sums_by_user(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return (users int64 [B] ascending, first place of each one's user, sums there [B, U])."""
        users, order = self._users.long().sort()
        firsts = torch.searchsorted(users, users)
        gradient = self._gradient().index_select(0, order)
        return users, firsts, torch.zeros_like(gradient).index_add_(0, firsts, gradient)

    def _gradient(self) -> Tensor:
        gradient = self._leaf.grad
        return torch.zeros_like(self._leaf) if gradient is None else gradient.contiguous()

    def _cut(self) -> list[Part]:
        """Return a part of the batch for each thread."""
        if self._parts is None:
            users = self._users.numpy()
            spans = starmap(slice, pairwise(cut(users, self._threads.count).tolist()))
            self._parts = [
                (span, users[span], order_by_row(users[span], len(self.rows))) for span in spans
            ]
        return self._parts


def init_user_rows(model: RatingModel, shard: Shard, seed: int) -> Tensor:
    """Return a rank's initial rows, [R, U]. A user's row does not depend on the number of ranks."""
    rows = empty_table((shard.num_rows, model.user_width), torch.device("cpu"))
    for bucket, offset in shard.offsets.items():
        num_users = shard.bucket_users(bucket)
        generator = make_generator(seed, "users", bucket)
        rows[offset : offset + num_users] = model.init_users(num_users, generator)
    return rows
