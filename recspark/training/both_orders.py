"""A rank's ratings grouped by user and by movie, for the row solver.

Memory: 16 bytes per rating, with times 24, and 12 or 16 more while they are grouped.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from recspark.arrays.compiled import Threads
from recspark.arrays.ratings import SECONDS_PER_YEAR
from recspark.arrays.user_buckets import Shard, users_of
from recspark.training.batches import Ratings
from recspark.training.group import Group
from recspark.training.group_loops import add_times, by_movie, by_user, count_rows
from recspark.training.row_table import Ints, Longs, RowTable, table_width
from recspark.training.time_loops import sort_by_time


def group_ratings(
    found: Ratings,
    times: Ints,
    shard: Shard,
    num_movies: int,
    num_factors: int,
    threads: Threads,
    group: Group,
    *,
    shift: float = 0.0,
    scale: float = 1.0,
    has_drift: bool = True,
    by_time: bool = False,
    is_weighted: bool = False,
) -> tuple[RowTable, RowTable]:
    """Return the users of the rank and all movies, with weights of 1 and everything else 0.

    All ranks call it together.

    Args:
        found: The rank's ratings; not needed afterwards.
        times: int32 [N], their times in seconds; empty if nothing depends on them.
        shard: The rank's buckets.
        num_movies: M.
        num_factors: K.
        threads: Those that group.
        group: The ranks.
        shift: Subtracted from each rating.
        scale: Then each is divided by this.
        has_drift: Whether rows have a slope, if there are times.
        by_time: Whether each user's ratings come in ascending order of time.
        is_weighted: Whether ratings are weights, see `RowTable`.
    """
    packed = found.packed.cpu().numpy()
    num_ratings, has_drift = len(packed), has_drift and len(times) > 0

    def count(column: int, num_rows: int) -> Longs:
        counts = np.zeros(num_rows, np.int64)
        count_rows(packed, column, counts)
        return counts

    def make(num_times: int) -> tuple[Ints, npt.NDArray[np.float32], Ints]:
        ratings = np.empty(num_ratings, np.float32)
        return np.empty(num_ratings, np.int32), ratings, np.empty(num_times, np.int32)

    user_counts, movie_counts = count(0, shard.num_rows), count(1, num_movies)
    user_starts, movie_starts = _starts(user_counts), _starts(movie_counts)
    mine, theirs = make(len(times)), make(len(times) if has_drift else 0)
    cuts = _cuts(user_starts, threads.count)
    threads.run(lambda n: by_user(packed, times, user_starts, cuts[n], cuts[n + 1], *mine))
    if by_time:
        threads.run(lambda n: sort_by_time(user_starts, cuts[n], cuts[n + 1], *mine))
    mine[1][:] -= np.float32(shift)
    mine[1][:] /= np.float32(scale)
    ends = _cuts(movie_starts, threads.count)
    moved = (*mine[:2], mine[2] if has_drift else mine[2][:0])
    threads.run(
        lambda n: by_movie(user_starts, *moved, movie_starts, ends[n], ends[n + 1], *theirs)
    )
    names = np.concatenate(
        [users_of(one, shard.num_users, shard.num_buckets) for one in shard.buckets], dtype=np.int64
    )
    total = group.sum(torch.from_numpy(movie_counts)).cpu().numpy()
    tables = [
        RowTable(
            values=np.zeros((len(counts), table_width(num_factors)), np.float32),
            num_factors=num_factors,
            has_drift=has_drift,
            starts=starts,
            others=others,
            ratings=ratings,
            times=its_times,
            counts=counts,
            names=own,
            is_shared=is_shared,
            is_weighted=is_weighted,
        )
        for starts, (others, ratings, its_times), counts, own, is_shared in (
            (
                user_starts,
                mine,
                user_counts,
                names,
                False,
            ),
            (movie_starts, theirs, total, np.arange(num_movies), True),
        )
    ]
    for table in tables:
        table.weights[:] = 1
        if has_drift:
            _fill_mean_times(table, group)
    return tables[0], tables[1]


def _starts(counts: Longs) -> Longs:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])


def _cuts(starts: Longs, num_parts: int) -> Longs:
    """Return where to cut rows into parts with about as many ratings each, [num_parts + 1]."""
    cuts = np.searchsorted(starts, np.linspace(0, starts[-1], num_parts + 1))
    cuts[0], cuts[-1] = 0, len(starts) - 1
    return cuts


def _fill_mean_times(table: RowTable, group: Group) -> None:
    """Set the mean time of each row that has ratings, in years."""
    sums = np.zeros(len(table.counts))
    add_times(table.starts, table.times, sums)
    if table.is_shared:
        sums = group.sum(torch.from_numpy(sums)).cpu().numpy()
    table.mean_times[:] = sums / np.maximum(table.counts, 1) / SECONDS_PER_YEAR
