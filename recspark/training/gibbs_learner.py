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

from recspark.arrays.user_buckets import Shard
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
from recspark.training.row_table import Floats
from recspark.training.seeds import make_generator
from recspark.training.solve_loops import fill_normals
from recspark.training.time_parts import TimeParts
from recspark.training.time_process import TimeProcess

_STATE, _NUMBERS, _PROCESS = "state", "numbers", "process."
_SLOPES, _LOGS = "slopes", "logs"


class GibbsLearner(RowLearner):
    """Stores samples of the posterior in the model's movies and in `rows`.

    Of users it stores the draw, and the mean of the distribution that it came from, given the
    movies of the same sample. The mean of predictions is the same for both, but half as many means
    give the accuracy of draws (Rao-Blackwell); the spread of predictions needs the draws.

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
        process: TimeProcess | None = None,
    ) -> None:
        """Draw the start of the chain: random factors, the same for any number of ranks."""
        super().__init__(model, rows, plan, users.table, movies.table, solver)
        self._model = model
        self._sampler = Sampler(users, movies, solver, seed, process)
        self._sweeps = sample_sweeps(settings.sampler, settings.epochs)
        self._times = TimeParts(users.table, movies.table, process)
        self._uses_times = settings.uses_times
        self._asked: Ratings | None = None
        self._summed, self._num_summed = torch.empty(0), 0
        for side in (users, movies):
            key = np.uint64(make_generator(seed, "start", side.name).initial_seed())
            factors = side.table.rows[:, : settings.embedding_size]
            fill_normals(settings.init_scale, key, side.table.names, factors)

    def take_step(self, batch: Any, step: int, learning_rate: float, clock: Clock) -> Tensor:
        """Take a sweep, and store a sample if it is time."""
        is_stored = self.num_steps in self._sweeps
        centers = np.empty(self._users.rows.shape, np.float32) if is_stored else None
        squares = self._sampler.sweep(self.num_steps, centers)
        if centers is not None:
            self._store(self._sweeps.index(self.num_steps), centers)
        self.num_steps += 1
        clock.mark("forward_backward")
        total = squares * len(self._users.ratings)
        scale = self.model.spec.target.scale
        return torch.tensor([total, total * scale**2], dtype=torch.float64)

    def _store(self, number: int, centers: Floats) -> None:
        """Write sample `number` into the rows and the model's movies."""
        model, share = self._model, 1 / self.model.spec.samples
        users, movies = self._draw()
        model.centers(self.rows)[:, number] = torch.from_numpy(centers[:, : users.shape[1]])
        model.draws(self.rows)[:, number] = users
        model.samples()[:, number] = movies
        self.rows[:, -1] += torch.from_numpy(share / self._users.weights).to(self.rows)
        precision = self._movies.weights * self._sampler.numbers.alpha
        model.movies[:, -1] += torch.from_numpy(share / precision).to(self.rows)
        self._times.add()

    def _draw(self) -> tuple[Tensor, Tensor]:
        """Return users and movies of the current draw, [R, K + 1] and [M, K + 1]."""
        size = self._users.num_factors + 1
        users, movies = (
            torch.from_numpy(table.values[:, :size].copy()).to(self.rows)
            for table in (self._users, self._movies)
        )
        users[:, -1] += self._sampler.numbers.mean
        return users, movies

    @torch.no_grad()
    def predictions(self, ratings: Ratings, user_rows: Tensor) -> Iterator[Tensor]:
        """See `Learner`; each sample is added once for the ratings that were asked about last."""
        if ratings is not self._asked:
            self._asked, self._num_summed = ratings, 0
        num_stored = sum(sweep < self.num_steps for sweep in self._sweeps)
        if not num_stored:
            summed = _outputs(*self._draw(), ratings)
            num_stored = 1
        else:
            if not self._num_summed:
                self._summed = torch.zeros(len(ratings), device=self.rows.device)
            users, movies = self._model.centers(self.rows), self._model.samples()
            for number in range(self._num_summed, num_stored):
                self._summed += _outputs(users[:, number], movies[:, number], ratings)
            self._num_summed = num_stored
            summed = self._summed
        yield from self.model.spec.target.decode(summed / num_stored).split(PIECE)

    def save_more(self, folder: str, shard: Shard) -> None:
        """Write what predictions at a given moment need."""
        if self._uses_times:
            self._times.save(folder, shard, self._model, self.rows)

    def memory(self) -> Memory:
        """Return the state of the chain."""
        times = self._times
        shared = {_SLOPES: times.movies, _LOGS: times.logs}
        shared |= {_STATE: torch.from_numpy(self._movies.values)}
        numbers = list(asdict(self._sampler.numbers).values())
        shared[_NUMBERS] = torch.tensor(numbers, dtype=torch.float64)
        for side in (self._sampler.users, self._sampler.movies):
            state = side.prior.state()
            shared |= {f"{side.name}.{name}": torch.tensor(one) for name, one in state.items()}
        if self._sampler.process is not None:
            state = self._sampler.process.state()
            shared |= {_PROCESS + name: torch.tensor(one) for name, one in state.items()}
        users = {_STATE: torch.from_numpy(self._users.values), _SLOPES: times.users}
        return Memory(users, shared)

    def load_memory(self, memory: Memory) -> None:
        """Restore the state of the chain."""
        self._users.values[:] = memory.users[_STATE].cpu().numpy()
        self._movies.values[:] = memory.shared[_STATE].cpu().numpy()
        self._times.users.copy_(memory.users[_SLOPES])
        self._times.movies.copy_(memory.shared[_SLOPES])
        self._times.logs.copy_(memory.shared[_LOGS])
        self._sampler.numbers = Numbers(*memory.shared[_NUMBERS].tolist())
        for side in (self._sampler.users, self._sampler.movies):
            side.prior.load_state(_named(memory.shared, f"{side.name}."))
        if self._sampler.process is not None:
            self._sampler.process.load_state(_named(memory.shared, _PROCESS))
            self._sampler.redraw_paths(self.num_steps - 1)
        self._num_summed = 0


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
