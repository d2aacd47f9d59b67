"""What a sampled model keeps for predictions at a given moment: slopes, and users' processes.

Slopes are means over the stored samples. A user's process is smoothed once, at the end, from what
the mean of the samples leaves of the user's ratings in train. The mean of a path is linear in what
is left, so this equals the mean over the samples, at the mean noise, variance and scale.

Shape legend: R users of the rank, M movies, N ratings of the rank, T samples.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from recspark.arrays.ratings import SECONDS_PER_YEAR
from recspark.arrays.user_buckets import Shard
from recspark.models.bayesian_mf import BayesianMF
from recspark.models.biased_mf import biased_product
from recspark.saved import over_time
from recspark.training.learner import PIECE
from recspark.training.row_table import SLOPE, Floats, RowTable
from recspark.training.time_loops import smooth_paths
from recspark.training.time_process import TimeProcess


class TimeParts:
    """Sums over the samples that were stored.

    Attributes:
        users: float32 [R], of the users' slopes.
        movies: float32 [M], of the movies' slopes.
        logs: float64 [2], of the log variance and log scale of the process.
    """

    def __init__(self, users: RowTable, movies: RowTable, process: TimeProcess | None) -> None:
        """Start with sums of 0."""
        self._tables, self._process = (users, movies), process
        self.users, self.movies = (torch.zeros(len(one.counts)) for one in self._tables)
        self.logs = torch.zeros(2, dtype=torch.float64)

    def add(self) -> None:
        """Add the current draw."""
        for table, total in zip(self._tables, (self.users, self.movies), strict=True):
            if table.has_drift:
                total += torch.from_numpy(table.values[:, table.num_factors + SLOPE])
        if self._process is not None:
            self.logs += torch.from_numpy(self._process.logs)

    def save(self, folder: str, shard: Shard, model: BayesianMF, rows: Tensor) -> None:
        """Write what `recspark.saved.moments` reads; all ranks write their own users.

        Args:
            folder: The model's.
            shard: The rank's buckets.
            model: With all samples.
            rows: [R, U], with all samples.
        """
        users, movies = self._tables
        scale, count = model.spec.target.scale, model.spec.samples
        mine: dict[str, Floats] = {}
        shared: dict[str, np.ndarray] = {}
        if users.has_drift:
            for found, table, total in ((mine, users, self.users), (shared, movies, self.movies)):
                found[over_time.SLOPES] = total.numpy() * np.float32(scale / count)
                found[over_time.MEAN_TIMES] = table.mean_times
        paths, variances = (np.zeros(len(users.ratings), np.float32) for _ in range(2))
        if self._process is not None:
            variance, seconds = np.exp(self.logs.numpy() / count).tolist()
            values, weights = self._left_over(model, rows)
            parts = users.starts, users.times, values, weights
            smooth_paths(*parts, variance, seconds, paths, variances)
            shared[over_time.PROCESS] = np.array([variance * scale**2, seconds])
        if shard.rank == 0:
            over_time.save_movies(folder, shared)
        for bucket, offset in shard.offsets.items():
            of_bucket = slice(offset, offset + shard.bucket_users(bucket))
            arrays: dict[str, np.ndarray] = {name: one[of_bucket] for name, one in mine.items()}
            if self._process is not None:
                starts = users.starts[of_bucket.start : of_bucket.stop + 1]
                span = slice(starts[0], starts[-1])
                arrays[over_time.STARTS] = starts - starts[0]
                arrays[over_time.TIMES] = users.times[span]
                arrays[over_time.PATHS] = paths[span] * np.float32(scale)
                arrays[over_time.VARIANCES] = variances[span] * np.float32(scale**2)
            over_time.save_users(folder, bucket, arrays)

    def _left_over(self, model: BayesianMF, rows: Tensor) -> tuple[Floats, Floats]:
        """Return what the mean of the samples leaves of each rating, and its precision, [N]."""
        assert self._process is not None
        users, movies = self._tables
        owners = torch.repeat_interleave(torch.from_numpy(np.diff(users.starts)))
        others = torch.from_numpy(users.others).long()
        count = model.spec.samples
        rows, stored = rows.cpu(), model.movies.cpu()
        centers, samples = model.centers(rows), model.samples(stored)
        found, weights = torch.zeros(len(others)), torch.empty(len(others))
        for start in range(0, len(others), PIECE):
            span = slice(start, start + PIECE)
            for number in range(count):
                left = centers[:, number].index_select(0, owners[span])
                right = samples[:, number].index_select(0, others[span])
                found[span] += biased_product(left, right)
            noise = rows[:, -1].index_select(0, owners[span])
            weights[span] = 1 / (noise * stored[:, -1].index_select(0, others[span]))
        values = self._process.ratings - found.numpy() / np.float32(count)
        if users.has_drift:
            years = users.times / SECONDS_PER_YEAR
            for table, total, at in ((users, self.users, owners), (movies, self.movies, others)):
                slopes, place = total.numpy() / np.float32(count), at.numpy()
                values -= (slopes[place] * (years - table.mean_times[place])).astype(np.float32)
        return values.astype(np.float32), weights.numpy()
