"""A training job outside a run, on ratings of 1 to 5 stars that a script or a test writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recspark.config.train import TrainConfig
from recspark.contract import columns as c
from recspark.datasets.prepared import PreparedFacts
from recspark.training.job import TrainJob

BUCKETS, SEED = 8, 11
USERS, MOVIES, RATINGS = 3_000, 400, 120_000

Rows = tuple[dict[int, int], dict[int, int]]
"""Bucket to rows, of train and of valid."""


def make_job(
    folder: Path,
    rows: Rows,
    settings: TrainConfig,
    *,
    num_users: int = USERS,
    num_movies: int = MOVIES,
    num_buckets: int = BUCKETS,
) -> TrainJob:
    """Return a job on `train` and `valid` of a folder, which writes to other folders there."""
    return TrainJob(
        model_name="check",
        folder=str(folder / "model"),
        train=(str(folder / "train"),),
        valid=str(folder / "valid"),
        train_rows=rows[0],
        valid_rows=rows[1],
        facts=PreparedFacts(
            num_users=num_users,
            num_movies=num_movies,
            num_buckets=num_buckets,
            rating_min=1.0,
            rating_max=5.0,
            rating_mean=3.6,
            rating_std=1.1,
            rating_values=(1.0, 2.0, 3.0, 4.0, 5.0),
        ),
        checkpoints=str(folder / "checkpoints"),
        tensorboard=str(folder / "tensorboard"),
        train_id="train-1",
        index_ids={c.USER_INDEX: "u", c.MOVIE_INDEX: "m"},
        settings=settings,
        seed=SEED,
    )


def write_planted(folder: Path) -> Rows:
    """Write rounded ratings of a planted model as train and valid; return their rows."""
    rng = np.random.default_rng(3)
    cells = rng.choice(USERS * MOVIES, RATINGS, replace=False)
    users, movies = cells // MOVIES, cells % MOVIES
    taste = rng.normal(size=(2, max(USERS, MOVIES), 3)) * 0.4
    effect = rng.normal(size=(2, max(USERS, MOVIES))) * 0.4
    mean = 3.6 + effect[0, users] + effect[1, movies]
    mean += (taste[0, users] * taste[1, movies]).sum(axis=1)
    ratings = np.clip(np.rint(mean + rng.normal(size=RATINGS) * 0.8), 1, 5)
    is_valid = rng.random(RATINGS) < 0.2
    # Sittings of some users, years apart.
    times = users % 5 * 50_000_000 + movies * 10
    rows: list[dict[int, int]] = []
    for name, chosen in (("train", ~is_valid), ("valid", is_valid)):
        rows.append({})
        for bucket in range(BUCKETS):
            mine = np.flatnonzero(chosen & (users % BUCKETS == bucket))
            columns = (column[mine] for column in (users, movies, ratings, times))
            write_bucket(folder / name, bucket, *columns)
            rows[-1][bucket] = len(mine)
    return rows[0], rows[1]


def write_bucket(
    folder: Path,
    bucket: int,
    users: np.ndarray,
    movies: np.ndarray,
    ratings: np.ndarray,
    rated_at: np.ndarray | None = None,
    *,
    row_group_rows: int = 131_072,
) -> None:
    """Write a bucket's rows as prepare stores them; without times these are 0."""
    target = folder / f"{c.BUCKET}={bucket}"
    target.mkdir(parents=True)
    times = np.zeros(len(users)) if rated_at is None else rated_at
    table = {
        c.USER_INDEX: pa.array(users, pa.int32()),
        c.MOVIE_INDEX: pa.array(movies, pa.int32()),
        c.RATING: pa.array(ratings, pa.float32()),
        c.RATED_AT: pa.array(times, pa.int32()),
    }
    pq.write_table(pa.table(table), target / "part-0.parquet", row_group_size=row_group_rows)
