"""Matrix factorisation on the CPU: a batch of ratings in one pass over its users' rows.

It takes models whose output is b_u + b_m + p_u · q_m, or without biases, and gives the same steps
as `RatingLearner` beyond rounding.

Shape legend: B rows of a batch, T threads, M movies, U columns.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from recspark.arrays.compiled import Threads
from recspark.config import TrainConfig
from recspark.models.rating_model import RatingModel
from recspark.training.batches import Batch, Batches
from recspark.training.clock import Clock
from recspark.training.group import Group
from recspark.training.learner import Learner, Memory
from recspark.training.optimisers import Update, make_memory, memory_arrays
from recspark.training.order_loops import cut, order_by_row
from recspark.training.plan import StepPlan
from recspark.training.row_loops import change, learn_users


def can_learn(model: RatingModel, settings: TrainConfig, device: torch.device) -> bool:
    """Return whether the compiled loops can train a model with these settings."""
    is_lazy = settings.embedding_updates == "rows" and settings.clip_norm is None
    return model.is_inner_product and is_lazy and device.type == "cpu"


class FactorLearner(Learner):
    """Updates the users of a batch as it meets them, then the movies by their summed gradient."""

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
        super().__init__(model, rows, plan, group)
        self.num_ratings = sum(plan.bucket_rows.values())
        self._feed, self._settings, self._threads = feed, settings, threads
        self._movies = model.get_parameter("movies").detach()
        self._user_memory = make_memory(rows, settings)
        self._movie_memory = make_memory(self._movies, settings)
        self._gradients = torch.zeros(threads.count, *self._movies.shape)
        bias_reg = settings.reg if settings.bias_reg is None else settings.bias_reg
        self._reg = np.float32(settings.reg), np.float32(bias_reg)

    def batches(self, epoch: int, first_step: int) -> Iterator[Batch]:
        """Yield (user_rows [B], movie_index [B], ratings [B]) of each step."""
        return self._feed.epoch_steps(epoch, first_step)

    def take_step(self, batch: Batch, step: int, learning_rate: float, clock: Clock) -> Tensor:
        """See `Learner`; the update of the users counts as forward and backward."""
        self.num_steps += 1
        update = Update.of(self._settings, learning_rate, self.num_steps)
        sums = self._learn_users(batch, update, 1 / self.plan.global_rows(step))
        clock.mark("forward_backward")
        if self._group.num_ranks > 1:
            for gradient in self._gradients[1:]:
                self._gradients[0].add_(gradient)
                gradient.zero_()
            self._group.sum_gradients([self._gradients[0]])
            clock.mark("communication")
        self._learn_movies(update)
        clock.mark("optimiser")
        errors, penalty = sums.sum(axis=0)
        scale = self.model.spec.target.scale
        return torch.tensor([errors + penalty, errors * scale**2], dtype=torch.float64)

    def _learn_users(self, batch: Batch, update: Update, weight: float) -> np.ndarray:
        """Update the users and sum the movies' gradient; return [T, 2], see `learn_users`."""
        users, movies = batch[0].numpy(), batch[1].numpy()
        ratings = batch[2].numpy()
        cuts = cut(users, self._threads.count)
        sums = np.zeros((self._threads.count, 2))
        tables = self.rows.numpy(), *memory_arrays(self._user_memory), self._movies.numpy()
        gradients = self._gradients.numpy()
        seen = self.seen_users.numpy(), self.seen_movies.numpy()
        target = self.model.spec.target
        shift, scale = np.float32(target.shift), np.float32(target.scale)
        num_factors = self.rows.shape[1] - self.model.has_biases
        numbers = num_factors, *self._reg, np.float32(weight), *update.for_loops()

        def learn(part: int) -> None:
            span = slice(cuts[part], cuts[part + 1])
            order = order_by_row(users[span], len(self.rows))
            # In NumPy: after a tensor operation torch's threads spin, and take a core from these.
            targets = (ratings[span] - shift) / scale
            rows = users[span], movies[span], targets, order
            learn_users(*rows, *tables, gradients[part], *numbers, *seen, sums[part])

        self._threads.run(learn)
        return sums

    def _learn_movies(self, update: Update) -> None:
        """Update all movies by the gradients of the threads, which then are 0 again."""
        gradients = self._gradients.numpy().reshape(self._threads.count, -1)
        first, second = memory_arrays(self._movie_memory)
        tables = [table.reshape(-1) for table in (self._movies.numpy(), first, second)]
        numbers = update.for_loops()
        cuts = np.linspace(0, gradients.shape[1], self._threads.count + 1, dtype=np.int64)

        def learn(part: int) -> None:
            span = slice(cuts[part], cuts[part + 1])
            total = gradients[0, span]
            for other in gradients[1:, span]:
                total += other
                other[:] = 0
            change(*(table[span] for table in tables), total, *numbers)
            total[:] = 0

        self._threads.run(learn)

    def memory(self) -> Memory:
        """Return the state of both optimisers."""
        return Memory(self._user_memory, self._movie_memory)

    def load_memory(self, memory: Memory) -> None:
        """Restore the state of both optimisers."""
        for name, mine in self._user_memory.items():
            mine.copy_(memory.users[name])
        for name, mine in self._movie_memory.items():
            mine.copy_(memory.shared[name])
