"""The learner of bayesian_mf: an epoch is a sweep of the Gibbs sampler.

Shape legend: R users of the rank, M movies, K factors, T samples, N ratings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from recspark.config import TrainConfig
from recspark.config.sampler import sample_sweeps
from recspark.models.bayesian_mf import BayesianMF
from recspark.models.biased_mf import biased_product
from recspark.training.batches import Ratings
from recspark.training.clock import Clock
from recspark.training.gibbs import Numbers, Sampler, Side
from recspark.training.learner import PIECE, Memory
from recspark.training.plan import StepPlan
from recspark.training.row_learner import RowLearner
from recspark.training.row_solver import RowSolver
from recspark.training.row_table import RowTable
from recspark.training.seeds import make_generator
from recspark.training.solve_loops import fill_normals

# Standard deviation of the factors at the start (units of the model's output).
START = 0.3
_STATE, _NUMBERS = "state", "numbers"


class GibbsLearner(RowLearner):
    """Stores samples of the posterior in the model's movies and in `rows`.

    Validation measures what would be saved now: the mean over the samples so far, and before the
    first one the current draw.
    """

    keeps_last = True

    def __init__(
        self,
        model: BayesianMF,
        rows: Tensor,
        plan: StepPlan,
        users: Side,
        movies: Side,
        solver: RowSolver,
        settings: TrainConfig,
        seed: int,
    ) -> None:
        """Draw the start of the chain: small factors, no biases."""
        super().__init__(model, rows, plan, users.table, movies.table, solver)
        self._samples = model
        self._sampler = Sampler(users, movies, solver, seed)
        self._sweeps = sample_sweeps(settings.sampler, settings.epochs)
        self._summed, self._num_summed = torch.empty(0), 0
        for side in (users, movies):
            draw_start(side.table, seed, side.name)

    def take_step(self, batch: Any, step: int, learning_rate: float, clock: Clock) -> Tensor:
        """Take a sweep, and store a sample if it is time."""
        squares = self._sampler.sweep(self.num_steps)
        if self.num_steps in self._sweeps:
            self._store(self._sweeps.index(self.num_steps))
        self.num_steps += 1
        clock.mark("forward_backward")
        total = squares * len(self._users.ratings)
        scale = self.model.spec.target.scale
        return torch.tensor([total, total * scale**2], dtype=torch.float64)

    def _store(self, number: int) -> None:
        """Write sample `number` into the rows and the model's movies."""
        share = 1 / self.model.spec.samples
        users, movies = self._sample_parts(number)
        for part, now in zip((users, movies), self._current(), strict=True):
            part.copy_(now)
        variance = 1 / torch.from_numpy(self._users.weights.astype(np.float64))
        self.rows[:, -1] += (share * variance).to(self.rows)
        variance = 1 / torch.from_numpy(self._movies.weights.astype(np.float64))
        variance /= self._sampler.numbers.alpha
        self._samples.movies[:, -1] += (share * variance).to(self.rows)

    def _current(self) -> tuple[Tensor, Tensor]:
        """Return users and movies of the current draw, [R, K + 1] and [M, K + 1]."""
        size = self._users.num_factors + 1
        users, movies = (
            torch.from_numpy(table.values[:, :size].copy()).to(self.rows)
            for table in (self._users, self._movies)
        )
        users[:, -1] += self._sampler.numbers.mean
        return users, movies

    def _sample_parts(self, number: int) -> tuple[Tensor, Tensor]:
        """Return views of the columns of a sample."""
        size = self._users.num_factors + 1
        span = slice(number * size, (number + 1) * size)
        return self.rows[:, span], self._samples.movies[:, span]

    @torch.no_grad()
    def predictions(self, ratings: Ratings, user_rows: Tensor) -> Iterator[Tensor]:
        """See `Learner`; each sample is added once, so this is always asked about one data set."""
        num_stored = sum(sweep < self.num_steps for sweep in self._sweeps)
        if not num_stored:
            summed = _outputs(*self._current(), ratings)
            num_stored = 1
        else:
            if not self._num_summed:
                self._summed = torch.zeros(len(ratings), device=self.rows.device)
            for number in range(self._num_summed, num_stored):
                self._summed += _outputs(*self._sample_parts(number), ratings)
            self._num_summed = num_stored
            summed = self._summed
        yield from self.model.spec.target.decode(summed / num_stored).split(PIECE)

    def memory(self) -> Memory:
        """Return the state of the chain."""
        shared = {_STATE: torch.from_numpy(self._movies.values)}
        numbers = list(asdict(self._sampler.numbers).values())
        shared[_NUMBERS] = torch.tensor(numbers, dtype=torch.float64)
        for side in (self._sampler.users, self._sampler.movies):
            state = side.prior.state()
            shared |= {f"{side.name}.{name}": torch.tensor(one) for name, one in state.items()}
        return Memory({_STATE: torch.from_numpy(self._users.values)}, shared)

    def load_memory(self, memory: Memory) -> None:
        """Restore the state of the chain."""
        self._users.values[:] = memory.users[_STATE].cpu().numpy()
        self._movies.values[:] = memory.shared[_STATE].cpu().numpy()
        self._sampler.numbers = Numbers(*memory.shared[_NUMBERS].tolist())
        for side in (self._sampler.users, self._sampler.movies):
            side.prior.load_state(_named(memory.shared, f"{side.name}."))
        self._num_summed = 0


def draw_start(table: RowTable, seed: int, name: str) -> None:
    """Fill a table's factors with small normals, the same for a row on any number of ranks."""
    key = np.uint64(make_generator(seed, "start", name).initial_seed())
    fill_normals(START, key, table.names, table.rows[:, : table.num_factors])


def _outputs(users: Tensor, movies: Tensor, ratings: Ratings) -> Tensor:
    """Return b_u + b_m + p · q of ratings, [N], from users [R, K + 1] and movies [M, K + 1]."""
    found = []
    for start in range(0, len(ratings), PIECE):
        span = slice(start, start + PIECE)
        left = users.index_select(0, ratings.user_rows[span])
        right = movies.index_select(0, ratings.movie_index[span])
        found.append(biased_product(left, right))
    return torch.cat(found) if found else users.new_zeros(0)


def _named(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, npt.NDArray[np.float64]]:
    return {
        name.removeprefix(prefix): tensor.cpu().numpy()
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
