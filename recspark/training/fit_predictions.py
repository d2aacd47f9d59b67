"""What a fitted model predicts for ratings, at their times if it uses times."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from recspark.arrays.user_buckets import Shard
from recspark.saved.moments import OverTime, add_keys
from recspark.saved.over_time import load_movies, load_users
from recspark.training.batches import Ratings
from recspark.training.group import Group
from recspark.training.job import TrainJob
from recspark.training.learner import Learner
from recspark.training.measure import predict_warm
from recspark.training.read_times import read_times


@dataclass(frozen=True)
class Source:
    """A rank's ratings, and where they lie.

    Attributes:
        ratings: [N], bucket by bucket.
        paths: Data sets partitioned by bucket.
        bucket_rows: Ratings by bucket, of all ranks.
    """

    ratings: Ratings
    paths: tuple[str, ...]
    bucket_rows: Mapping[int, int]


def predict_ratings(
    job: TrainJob,
    learner: Learner,
    user_rows: Tensor,
    source: Source,
    shard: Shard,
    group: Group,
) -> Tensor:
    """Return a prediction for each of the rank's ratings, [N], NaN where it is cold.

    All ranks call it together. What a model that uses times needs for it is kept beside the
    checkpoints.

    Args:
        job: The fit.
        learner: After its last step.
        user_rows: [R, U], of the rank's users.
        source: The ratings.
        shard: The rank's buckets.
        group: The ranks.
    """
    ratings = source.ratings
    found = predict_warm(learner, user_rows, ratings, group)
    if not job.settings.uses_times:
        return found
    learner.save_more(job.checkpoints, shard)
    group.barrier()
    moments = OverTime(load_movies(job.checkpoints), partial(_open_users, job.checkpoints))
    times = read_times(source.paths, source.bucket_rows, shard)
    rows, movies = ratings.user_rows.cpu().numpy(), ratings.movie_index.cpu().numpy()
    start = 0
    for bucket, offset in shard.offsets.items():
        span = slice(start, start + source.bucket_rows.get(bucket, 0))
        added, _ = moments.add(bucket, rows[span] - offset, movies[span], times[span])
        found[span] += torch.from_numpy(added)
        start = span.stop
    return found


def measure_predictions(predictions: Tensor, valid: Ratings, group: Group) -> float | None:
    """Return the RMSE of all ranks' predictions [N] that are not NaN; None if all are."""
    errors = (predictions - valid.ratings.cpu()).double()
    is_warm = ~errors.isnan()
    sums = torch.stack([errors[is_warm].square().sum(), is_warm.double().sum()])
    squares, count = group.sum(sums.to(group.device)).tolist()
    return math.sqrt(squares / count) if count else None


def _open_users(folder: str, bucket: int) -> dict:
    return add_keys(load_users(folder, bucket))
