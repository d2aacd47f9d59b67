"""Solves for all users or all movies given the others, or draws them: one half of a sweep.

Users are solved where their ratings lie. For movies each rank adds up the sums of all ranks for a
share of them, solves for that share, and sends the rows to the others. Rows are shared among
threads in small parts, and noise depends on the row's name alone, so that threads and ranks change
results by rounding only.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch

from recspark.arrays.compiled import Threads
from recspark.training.gram_loops import add_grams
from recspark.training.group import Group
from recspark.training.row_table import Floats, RowTable
from recspark.training.solve_loops import solve_rows

Doubles = npt.NDArray[np.float64]
OnPart = Callable[[int, Doubles], None]
"""Takes the first row of a part and its sums."""

# Ratings and bytes of sums of a part, which one thread takes at a time.
PART_RATINGS = 1 << 18
PART_BYTES = 1 << 19
# Bytes of sums that ranks exchange at a time.
SHARED_BYTES = 1 << 24


@dataclass(frozen=True)
class RowPrior:
    """What is known of rows before their ratings.

    Attributes:
        precision: [D, D].
        per_rating: [D], added to the precision's diagonal for each rating of a row.
        means: [R, D], or [1, D] for all rows.
    """

    precision: Doubles
    per_rating: Doubles
    means: Doubles


@dataclass(frozen=True)
class RowSolver:
    """The threads and ranks that solve together."""

    threads: Threads
    group: Group

    def solve(
        self,
        mine: RowTable,
        others: RowTable,
        prior: RowPrior,
        *,
        mean: float = 0.0,
        scale: float = 1.0,
        key: int | None = None,
        centers: Floats | None = None,
    ) -> Doubles:
        """Overwrite the rows of `mine`; all ranks call it together.

        Args:
            mine: The rows to solve for.
            others: Their counterparts.
            prior: Of the rows.
            mean: Subtracted from all ratings.
            scale: The precision of a rating of which both weights are 1.
            key: Of the noise of a draw; without one, rows are solved for.
            centers: [R, D], filled with the means that the rows are drawn around.

        Returns:
            float64 [R, 3], of each row the sums of w e², w e and w over its ratings, with e the
            errors that remain and w the counterparts' weights; for movies over all ranks. In tables
            that are weighted w is the rating, and the second sum is not filled.
        """
        errors = np.empty((len(mine.counts), 3))
        size = mine.num_columns
        num_sums = (size + 1) * (size + 2) // 2
        scales = np.float32(scale) * mine.weights
        is_drawn, noise = key is not None, np.uint64(key or 0)
        means = np.empty((0, size), np.float32) if centers is None else centers

        def fill(first: int, sums: Doubles) -> None:
            add_grams(
                *(mine.starts, mine.others, mine.ratings, mine.drift_times),
                *(others.values, mine.mean_times, mine.num_factors),
                *(None if mine.is_weighted else mean, first, sums),
            )

        def finish(first: int, sums: Doubles) -> None:
            solve_rows(
                *(sums, mine.counts, scales, prior.precision, prior.per_rating, prior.means),
                *(mine.num_factors, is_drawn, noise, mine.names, first),
                *(mine.values, means, errors),
            )

        if mine.is_shared and self.group.num_ranks > 1:
            step = max(self.group.num_ranks, SHARED_BYTES // (8 * num_sums))
            is_mine = np.zeros(len(errors), bool)
            for first in range(0, len(errors), step):
                stop = min(first + step, len(errors))
                is_mine[self._solve_share(mine, first, stop, fill, finish)] = True
            for found in (mine.rows, means, errors):
                self._take_over(found, is_mine)
            return errors

        def both(first: int, stop: int) -> None:
            sums = np.empty((stop - first, num_sums))
            fill(first, sums)
            finish(first, sums)

        self.share(mine, 0, len(errors), both)
        return errors

    def _solve_share(
        self, table: RowTable, first: int, stop: int, fill: OnPart, finish: OnPart
    ) -> slice:
        """Solve for this rank's share of the rows from `first` to `stop`, and return which it is.

        The sums are those of all ranks.
        """
        size = table.num_columns
        sums = np.empty((stop - first, (size + 1) * (size + 2) // 2))
        self.share(table, first, stop, lambda a, b: fill(a, sums[a - first : b - first]))
        total = self.group.sum_share(torch.from_numpy(sums)).cpu().numpy()
        mine = self.group.share_of(stop - first)
        start, end = first + mine.start, first + mine.stop
        self.share(table, start, end, lambda a, b: finish(a, total[a - start : b - start]))
        return slice(start, end)

    def _take_over(self, values: npt.NDArray, is_mine: npt.NDArray[np.bool_]) -> None:
        """Overwrite the rows of values [R, …] that other ranks have solved for."""
        if len(values):
            mine = np.where(is_mine[:, None], values, 0)
            values[:] = self.group.sum(torch.from_numpy(mine)).cpu().numpy()

    def share(
        self, table: RowTable, first: int, stop: int, work: Callable[[int, int], None]
    ) -> None:
        """Call `work` for parts of the rows from `first` to `stop`, each thread when it is free."""
        step = max(1, PART_BYTES // (4 * (table.num_columns + 2) ** 2))
        cuts = np.arange(0, table.starts[-1], PART_RATINGS)
        cuts = np.searchsorted(table.starts, cuts)  # so that no part has many more ratings
        cuts = np.union1d(cuts[(cuts > first) & (cuts < stop)], np.arange(first, stop, step))
        parts = list(pairwise([*cuts.tolist(), stop]))
        take = itertools.count()

        def run(_: int) -> None:
            while (number := next(take)) < len(parts):
                work(*parts[number])

        self.threads.run(run)


def sum_over(table: RowTable, values: Doubles, group: Group) -> Doubles:
    """Return sums over a table's rows on all ranks, from those on this rank."""
    if table.is_shared or group.num_ranks == 1:
        return values
    return group.sum(torch.from_numpy(values)).cpu().numpy()
