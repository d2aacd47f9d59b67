"""Learning from batches of ratings by autograd, for every model with trained user embeddings."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from recspark.arrays.compiled import Threads
from recspark.config import TrainConfig
from recspark.models.rating_model import RatingModel
from recspark.training.batches import Batch
from recspark.training.clock import Clock
from recspark.training.feed import Batches
from recspark.training.gradient_learner import GradientLearner
from recspark.training.group import Group
from recspark.training.learner import Memory
from recspark.training.objective import Objective, bias_extra
from recspark.training.plan import StepPlan
from recspark.training.precision import is_bf16
from recspark.training.user_table import UserTable


class RatingLearner(GradientLearner):
    """Updates the module and the users of a batch; see `train.embedding_updates`."""

    def __init__(
        self,
        model: RatingModel,
        rows: Tensor,
        plan: StepPlan,
        feed: Batches,
        settings: TrainConfig,
        group: Group,
        threads: Threads,
    ) -> None:
        """Prepare to train `model` and `rows` on the batches of `feed`."""
        self._table: UserTable | None = None
        tables: tuple[Tensor, ...] = ()
        # L2 on whole tables is not part of the objective, which sees the rows of a batch only.
        weights: tuple[float, float | None] = (settings.reg, settings.bias_reg)
        if settings.embedding_updates == "table":
            rows = nn.Parameter(rows)
            tables, weights = (rows, model.get_parameter("movies")), (0.0, None)
        else:
            self._table = UserTable(rows, settings, threads)
        super().__init__(model, rows, plan, settings, group, tables=tables)
        self.num_ratings = sum(plan.bucket_rows.values())
        self._feed, self._tables = feed, tables
        self._is_first_epoch = True
        self._objective = Objective(model, *weights, is_bf16=is_bf16(model, settings, group.device))
        self._bias_extra = bias_extra(model, settings.reg, settings.bias_reg)

    def batches(self, epoch: int, first_step: int) -> Iterator[Batch]:
        """Yield (user_rows [B], movie_index [B], ratings [B]) of each step."""
        self._is_first_epoch = epoch == 0  # every rating comes once in it
        return self._feed.epoch_steps(epoch, first_step)

    def take_step(self, batch: Batch, step: int, learning_rate: float, clock: Clock) -> Tensor:
        """See `Learner`."""
        users, movies, ratings = batch
        if self._is_first_epoch:
            self.seen_users.index_fill_(0, users.long(), True)
            self.seen_movies.index_fill_(0, movies.long(), True)
        gather = self._table.gather if self._table else self._gather
        weight = 1 / self.plan.global_rows(step)
        sums = self._objective.backward(gather(users), movies, ratings, weight)
        self._descend(learning_rate, clock)
        return sums

    def memory(self) -> Memory:
        """Return the state of both optimisers."""
        memory = super().memory()
        return Memory(
            {**memory.users, **(self._table.memory if self._table else {})}, memory.shared
        )

    def load_memory(self, memory: Memory) -> None:
        """Restore the state of both optimisers."""
        super().load_memory(memory)
        if self._table:
            for name, mine in self._table.memory.items():
                mine.copy_(memory.users[name])

    def _gather(self, users: Tensor) -> Tensor:
        return functional.embedding(users, self.rows)

    def _complete_gradients(self) -> None:
        """Make the L2 weight of biases in whole tables differ from that of factors."""
        for table in self._tables:
            if table.grad is None:
                table.grad = torch.zeros_like(table)
            if self._bias_extra:
                biases = table.detach()[:, -1]
                table.grad[:, -1].add_(biases, alpha=2 * self._bias_extra)

    def _user_squares(self) -> Tensor:
        if self._table:
            return self._table.gradient_squares()
        assert self.rows.grad is not None
        return torch.linalg.vector_norm(self.rows.grad, dim=1).double().square().sum()

    def _update_users(self, learning_rate: float, scale: Tensor | None) -> None:
        if self._table:
            self._table.update(learning_rate, self.num_steps, scale)
        elif scale is not None:
            assert self.rows.grad is not None
            self.rows.grad.mul_(scale)
