"""Predictions and train as files in buckets, written without Spark, and figures by brute force."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from recspark.contract import columns as c
from recspark.evaluation.sums import Frame

NUM_USERS, NUM_MOVIES, NUM_ROWS = 60, 40, 900
_TIMES = -40 * 86_400, 13_000 * 86_400


@dataclass
class Sample:
    """Test rows with predictions, [rows] each, and how often train holds each user and movie."""

    user: npt.NDArray[np.int32]
    movie: npt.NDArray[np.int32]
    rating: npt.NDArray[np.float32]
    rated_at: list[int | None]
    prediction: npt.NDArray[np.float32]
    std: list[float | None]
    fallback: list[str | None]
    train_user: npt.NDArray[np.int32]
    train_movie: npt.NDArray[np.int32]

    @property
    def error(self) -> npt.NDArray[np.float64]:
        return self.prediction.astype(np.float64) - self.rating.astype(np.float64)


def random_sample(seed: int) -> Sample:
    """Return a sample in which some users and movies have no test row, or none in train."""
    rng = np.random.default_rng(seed)
    pairs = rng.choice((NUM_USERS - 1) * NUM_MOVIES, NUM_ROWS, replace=False)
    user, movie = (pairs // NUM_MOVIES).astype(np.int32), (pairs % NUM_MOVIES).astype(np.int32)
    user += user >= 7  # user 7 has no test row
    flags = np.where(rng.random(NUM_ROWS) < 0.8, "", rng.choice(["bias", "global_mean"], NUM_ROWS))
    skewed = rng.integers(0, NUM_USERS, 3000) * rng.random(3000)
    return Sample(
        user=user,
        movie=movie,
        rating=(rng.integers(1, 11, NUM_ROWS) / 2).astype(np.float32),
        rated_at=[None if n % 9 == 0 else int(n) for n in rng.integers(*_TIMES, NUM_ROWS)],
        prediction=rng.uniform(1, 5, NUM_ROWS).astype(np.float32),
        std=[None if n % 5 == 0 else n / 1000 for n in rng.integers(300, 1500, NUM_ROWS).tolist()],
        fallback=[flag or None for flag in flags],
        train_user=skewed.astype(np.int32),
        train_movie=(skewed[::-1] / NUM_USERS * NUM_MOVIES * 0.9).astype(np.int32),
    )


def write_buckets(path: Path, columns: dict[str, object], num_buckets: int) -> dict[int, int]:
    """Write columns as `bucket=<b>/part-<n>.parquet`, two files per bucket; return its rows."""
    table = pa.table(columns)
    bucket = table.column(c.USER_INDEX).to_numpy() % num_buckets
    rows = {}
    for number in np.unique(bucket).tolist():
        part = table.filter(pa.array(bucket == number))
        folder = path / f"{c.BUCKET}={number}"
        folder.mkdir(parents=True)
        half = part.num_rows // 2
        pq.write_table(part.slice(0, half), folder / "part-0.parquet")
        pq.write_table(part.slice(half), folder / "part-1.parquet")
        rows[int(number)] = part.num_rows
    return rows


def write_predictions(path: Path, sample: Sample, num_buckets: int) -> dict[int, int]:
    """Write the sample's test rows as a model's predictions; return bucket to rows."""
    columns = {
        c.USER_INDEX: sample.user,
        c.MOVIE_INDEX: sample.movie,
        c.RATING: sample.rating,
        c.RATED_AT: pa.array(sample.rated_at, pa.int32()),
        c.PREDICTION: sample.prediction,
        c.PREDICTION_STD: pa.array(sample.std, pa.float32()),
        c.FALLBACK: pa.array(sample.fallback, pa.string()),
    }
    return write_buckets(path, columns, num_buckets)


def write_frame(path: Path, sample: Sample, num_buckets: int, num_resamples: int = 30) -> Frame:
    """Write the sample's train and return what its predictions are measured against."""
    columns = {c.USER_INDEX: sample.train_user, c.MOVIE_INDEX: sample.train_movie}
    write_buckets(path, columns, num_buckets)
    return Frame(
        train=str(path),
        num_users=NUM_USERS,
        num_buckets=num_buckets,
        movie_support=np.bincount(sample.train_movie, minlength=NUM_MOVIES),
        num_resamples=num_resamples,
        seed=5,
    )
