"""A process over time for each user, as one block of the sampler: see `time_loops`.

    rating = … + x_u(t) + error,  Cov(x_u(s), x_u(t)) = variance · exp(-|s - t| / scale)

Ratings that are given in one sitting move together. Priors: log variance ~ N(log 0.1, 1) in units
of the model's output, log scale ~ N(log 600 s, 2²). Both are drawn by a random-walk Metropolis step
with the paths integrated out, and then the paths given them. The steps adapt, by less and less
(Andrieu and Thoms 2008, algorithm 4).

The users' and the movies' tables hold the ratings minus the paths; the ratings themselves are kept
here. Paths are drawn last in a sweep, so that a resumed chain draws the same ones again from the
rest of its state. Memory: 8 bytes per rating, and 4 for the times.

Shape legend: R users of the rank, N their ratings.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from recspark.training.residual_loops import fill_residuals, scatter_by_movie
from recspark.training.row_solver import RowSolver, sum_over
from recspark.training.row_table import Floats, RowTable
from recspark.training.solve_loops import fill_ragged_normals
from recspark.training.time_loops import draw_paths, log_likelihood

Doubles = npt.NDArray[np.float64]

PRIOR_CENTERS = np.array([math.log(0.1), math.log(600.0)])
PRIOR_SPREADS = np.array([1.0, 2.0])
ACCEPTANCE = 0.3
"""The share of accepted steps that the adaptation aims at, for two dimensions."""
_GAIN = 0.6  # the exponent of the adaptation's decay


class TimeProcess:
    """The paths of the rank's users.

    Attributes:
        ratings: float32 [N], of which no path is subtracted.
        logs: [log variance, log scale].
        step: Of the random walk, times the standard deviations of the prior.
    """

    def __init__(self, users: RowTable, movies: RowTable, solver: RowSolver) -> None:
        """Start with paths of 0; each user's ratings are in ascending order of time."""
        self._users, self._movies, self._solver = users, movies, solver
        self.ratings = users.ratings.copy()
        self.logs, self.step = PRIOR_CENTERS.copy(), 0.1

    @property
    def paths(self) -> Floats:
        """x at each rating, [N]."""
        return self.ratings - self._users.ratings

    def draw(
        self, mean: float, scale: float, number: int, key: int, rng: np.random.Generator
    ) -> None:
        """Draw variance and scale, and then the paths; all ranks call it together.

        Args:
            mean: Of all ratings.
            scale: The precision of a rating of which both weights are 1.
            number: Of the sweep.
            key: Of the paths' noise.
            rng: In the same state on every rank.
        """
        proposed = self.logs + self.step * PRIOR_SPREADS * rng.standard_normal(2)
        now, there = self._log_densities(np.array([self.logs, proposed]), mean, scale)
        chance = math.exp(min(0.0, there - now))
        if rng.random() < chance:
            self.logs = proposed
        self.step *= math.exp((chance - ACCEPTANCE) / (1 + number) ** _GAIN)
        self.draw_paths(mean, scale, key)

    def draw_paths(self, mean: float, scale: float, key: int) -> None:
        """Draw the paths, the same for one key and state of the chain."""
        users, noise_key = self._users, np.uint64(key)
        variance, seconds = np.exp(self.logs).tolist()

        def draw(first: int, last: int) -> None:
            starts = users.starts[first : last + 1]
            span = slice(starts[0], starts[-1])
            values, weights = self._residuals(first, last, mean, scale)
            noise, paths = np.empty_like(values), np.empty_like(values)
            fill_ragged_normals(noise_key, users.names[first:last], starts, noise)
            parts = starts - starts[0], users.times[span], values, weights, noise
            draw_paths(*parts, variance, seconds, paths)
            users.ratings[span] = self.ratings[span] - paths

        self._solver.share(users, 0, len(users.counts), draw)
        movies, threads = self._movies, self._solver.threads
        cuts = np.searchsorted(movies.starts, np.linspace(0, movies.starts[-1], threads.count + 1))
        cuts[0], cuts[-1] = 0, len(movies.counts)
        ratings = users.starts, users.others, users.ratings, movies.starts
        threads.run(lambda n: scatter_by_movie(*ratings, cuts[n], cuts[n + 1], movies.ratings))

    def state(self) -> dict[str, Doubles]:
        """Return what the next draw depends on, besides the rest of the chain."""
        return {"logs": self.logs, "step": np.array([self.step])}

    def load_state(self, state: Mapping[str, Doubles]) -> None:
        """Restore what `state` returned; the paths still have to be drawn."""
        self.logs, self.step = np.array(state["logs"]), float(state["step"][0])

    def _residuals(self, first: int, last: int, mean: float, scale: float) -> tuple[Floats, Floats]:
        users = self._users
        num = users.starts[last] - users.starts[first]
        values, weights = np.empty(num, np.float32), np.empty(num, np.float32)
        fill_residuals(
            *(users.starts, users.others, self.ratings, users.drift_times, users.values),
            *(self._movies.values, users.num_factors, mean, scale, first, last, values, weights),
        )
        return values, weights

    def _log_densities(self, logs: Doubles, mean: float, scale: float) -> Doubles:
        """Return the log-density of each row of `logs`, over all ranks."""
        users = self._users
        totals: list[tuple[int, list[float]]] = []

        def add(first: int, last: int) -> None:
            starts = users.starts[first : last + 1]
            values, weights = self._residuals(first, last, mean, scale)
            parts = starts - starts[0], users.times[starts[0] : starts[-1]], values, weights
            found = [log_likelihood(*parts, *np.exp(one).tolist()) for one in logs]
            totals.append((first, found))

        self._solver.share(users, 0, len(users.counts), add)
        # In the order of users: threads finish in any order.
        total = sum((np.array(one) for _, one in sorted(totals)), np.zeros(len(logs)))
        total = sum_over(users, total, self._solver.group)
        z = (logs - PRIOR_CENTERS) / PRIOR_SPREADS
        return np.asarray(total - (z**2).sum(axis=1) / 2)
