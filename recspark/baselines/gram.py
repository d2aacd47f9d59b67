"""The Gram matrix of movies, G = Xᵀ diag(ω) X, by Spark tasks.

X holds the weights of the ratings. ω_u = (n_u / n̄)^−η, with n_u the ratings of user u that weigh
something and n̄ their mean over users: with η above 0, users with long lists count less.

The movies are dealt out to tasks like cards, so that tasks have equal work and nothing has to be
counted before. Each reads all buckets and sums its rows; no task holds the whole matrix.
Time is that of Σ_u n_u². Sums are single precision.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from pyspark.sql import SparkSession

from recspark.cluster.tasks import spread
from recspark.datasets.histories import read_histories
from recspark.datasets.signal import Signal

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

T = TypeVar("T")

# What the rows of a task may take; beyond it there are more tasks than cores.
TASK_BYTES = 2**30


@dataclass(frozen=True, kw_only=True)
class GramPlan:
    """What to sum; small and picklable, sent to every task."""

    paths: tuple[str, ...]
    """Data sets of ratings, bucketed by user."""
    num_users: int
    num_movies: int
    num_buckets: int
    signal: Signal
    user_weight: float
    """η."""
    is_whole: bool
    """Whether rows are needed whole. By symmetry the columns j ≥ i of row i say everything, in half
    the time."""

    def num_tasks(self, num_cores: int) -> int:
        """Return how many tasks share the movies."""
        needed = math.ceil(4 * self.num_movies**2 / TASK_BYTES)
        return min(self.num_movies, max(num_cores, needed))


@dataclass(frozen=True)
class GramRows:
    """Every step-th row of the matrix.

    Attributes:
        first: The movie of the first row.
        step: Movies from one row to the next.
        values: [rows, movies].
        diagonal: [movies], the diagonal of the whole matrix.
    """

    first: int
    step: int
    values: Floats
    diagonal: Doubles

    @property
    def movies(self) -> range:
        """The movies of the rows."""
        return range(self.first, len(self.diagonal), self.step)


def map_rows(spark: SparkSession, plan: GramPlan, use: Callable[[GramRows], T]) -> list[T]:
    """Return what `use` makes of the rows of each task, inside it, in any order."""
    num_tasks = plan.num_tasks(spark.sparkContext.defaultParallelism)
    numbers = list(range(num_tasks))
    tasks = spread(spark, numbers, num_tasks)
    return tasks.map(lambda number: use(sum_rows(plan, number, num_tasks))).collect()


def sum_rows(plan: GramPlan, first: int, step: int) -> GramRows:
    """Return the rows of every step-th movie from `first` on.

    Memory: the rows, and one bucket's ratings at about 60 bytes each.
    """
    from recspark.baselines.gram_loops import add_products

    rows = np.zeros((len(range(first, plan.num_movies, step)), plan.num_movies), np.float32)
    diagonal = np.zeros(plan.num_movies)
    num_ratings = num_users = 0
    for bucket in range(plan.num_buckets):
        sizes = {"num_users": plan.num_users, "num_buckets": plan.num_buckets}
        known = read_histories(plan.paths, bucket, **sizes).weigh(plan.signal)
        counts = np.diff(known.starts)
        num_ratings += int(counts.sum())
        num_users += int(np.count_nonzero(counts))
        share = np.maximum(counts, 1) ** (-plan.user_weight / 2)
        values = known.ratings * np.repeat(share, counts).astype(np.float32)
        diagonal += np.bincount(known.movies, values.astype(np.float64) ** 2, plan.num_movies)
        add_products(known.starts, known.movies, values, first, step, plan.is_whole, rows)
    mean = num_ratings / max(1, num_users)
    rows *= np.float32(mean**plan.user_weight)
    return GramRows(first, step, rows, diagonal * mean**plan.user_weight)
