"""Small tables of users and movies with random ratings, for tests of the row solver."""

from __future__ import annotations

import numpy as np
import torch

from recspark.arrays.compiled import Threads
from recspark.arrays.user_buckets import Shard
from recspark.training.batches import Ratings
from recspark.training.both_orders import group_ratings
from recspark.training.group import Group
from recspark.training.row_solver import RowSolver
from recspark.training.row_table import RowTable

CPU = torch.device("cpu")


def alone(threads: int = 1) -> RowSolver:
    """Return a solver of one rank; a group of one never calls its process group."""
    return RowSolver(Threads(threads), Group(0, 1, CPU, None))  # type: ignore[arg-type]


def make_tables(
    users: np.ndarray,
    movies: np.ndarray,
    ratings: np.ndarray,
    *,
    num_users: int,
    num_movies: int,
    num_factors: int,
    times: np.ndarray | None = None,
    threads: int = 1,
    has_drift: bool = True,
    by_time: bool = False,
) -> tuple[RowTable, RowTable]:
    """Return the tables of ratings [N]; rows are 0, weights 1."""
    found = Ratings.of(
        torch.from_numpy(users.astype(np.int32)),
        torch.from_numpy(movies.astype(np.int32)),
        torch.from_numpy(ratings.astype(np.float32)),
    )
    solver = alone(threads)
    return group_ratings(
        *(found, np.empty(0, np.int32) if times is None else times.astype(np.int32)),
        Shard(num_users=num_users, num_buckets=1, rank=0, num_ranks=1),
        *(num_movies, num_factors, solver.threads, solver.group),
        has_drift=has_drift,
        by_time=by_time,
    )


def ratings_of(table: RowTable, row: int) -> slice:
    return slice(table.starts[row], table.starts[row + 1])
