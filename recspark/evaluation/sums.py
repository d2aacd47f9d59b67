"""The sums over one bucket of predictions from which every figure is computed, in one pass.

All rows of a user lie in one bucket, where the user has position `user_index // num_buckets`. So
sums by user are plain arrays that never leave the task; only a few hundred numbers leave it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recspark.arrays.ratings import NO_TIME
from recspark.arrays.user_buckets import locate, users_of
from recspark.contract import columns as c
from recspark.contract.paths import bucket_folder
from recspark.errors import DataError, describe
from recspark.evaluation import intervals, slices
from recspark.evaluation.bootstrap import resample_sums
from recspark.files import parquet

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.integer]

_NUMBERS = (c.USER_INDEX, c.MOVIE_INDEX, c.RATING, c.PREDICTION)


@dataclass(frozen=True)
class Frame:
    """What all models are measured against; small except for one number per movie."""

    train: str
    """Path of train."""
    num_users: int
    num_buckets: int
    movie_support: npt.NDArray[np.int64]
    """[movies], ratings in train."""
    num_resamples: int
    seed: int

    def users_of(self, bucket: int) -> npt.NDArray[np.int64]:
        """Return the `user_index` of all users of a bucket, ascending."""
        return np.array(users_of(bucket, self.num_users, self.num_buckets), np.int64)


@dataclass
class Sums:
    """Sums over some rows of one model's predictions."""

    num_bad: int
    """Rows without a finite prediction; they are in no other sum."""
    by_slice: dict[str, slices.Groups]
    """Slice to group to sums over its rows."""
    num_users: int
    """Users with a row."""
    resampled: FloatArray
    """[resamples, 2]: rows and Σ error² in each resample of the users."""
    intervals: intervals.Counts = field(default_factory=intervals.no_counts)
    """Of the rows whose prediction has a standard deviation."""

    def add(self, other: Sums) -> None:
        """Add the sums of other users' rows."""
        self.num_bad += other.num_bad
        self.num_users += other.num_users
        self.resampled = self.resampled + other.resampled
        self.intervals = self.intervals + other.intervals
        for name, groups in other.by_slice.items():
            for key, sums in groups.items():
                slices.add_sums(self.by_slice.setdefault(name, {}), key, sums)


def sum_bucket(bucket: int, predictions: Mapping[str, str], frame: Frame) -> dict[str, Sums]:
    """Return the sums of one bucket for each model; resamples are drawn once for all models.

    Memory: a batch of rows, and 16 bytes per user of the bucket and model.

    Args:
        bucket: The bucket.
        predictions: Model to the path of its predictions.
        frame: What the models are measured against.

    Raises:
        DataError: A row names a user of another bucket, or a movie that is not in the index.
    """
    users = frame.users_of(bucket)
    support = count_user_ratings(frame, bucket)
    found, by_user = {}, []
    for name, path in predictions.items():
        folder = bucket_folder(path, bucket)
        sums, squares = _sum_rows(folder, bucket, support, frame)
        found[name] = sums
        by_user.append(squares)
    stacked = np.concatenate(by_user, axis=1)
    present = np.flatnonzero(stacked.any(axis=1))
    resampled = resample_sums(users[present], stacked[present], frame.num_resamples, frame.seed)
    for position, sums in enumerate(found.values()):
        sums.resampled = resampled[:, 2 * position : 2 * position + 2]
    return found


def count_user_ratings(frame: Frame, bucket: int) -> npt.NDArray[np.int64]:
    """Return the ratings in train of each user of a bucket, [users of the bucket]."""
    num_users = len(frame.users_of(bucket))
    counts = np.zeros(num_users, np.int64)
    folder = bucket_folder(frame.train, bucket)
    for batch in parquet.read_batches(folder, [c.USER_INDEX]):
        rows = locate(batch.column(0).to_numpy(), frame.num_buckets)[1]
        counts += np.bincount(rows, minlength=num_users)
    return counts


def _sum_rows(
    folder: str, bucket: int, support: npt.NDArray[np.int64], frame: Frame
) -> tuple[Sums, FloatArray]:
    """Return the sums over a bucket's rows, and rows and Σ error² of each user, [users, 2]."""
    sums = Sums(0, {}, 0, np.empty((0, 2)))
    by_user = np.zeros((len(support), 2))
    for batch in parquet.read_batches(
        folder, [*_NUMBERS, c.PREDICTION_STD, c.RATED_AT, c.FALLBACK]
    ):
        kept = _drop_bad(batch)
        sums.num_bad += batch.num_rows - kept.num_rows
        user, movie, rating, prediction = (kept.column(n).to_numpy() for n in _NUMBERS)
        rated_at = kept.column(c.RATED_AT).fill_null(NO_TIME).to_numpy()
        _check_ids(folder, user, movie, bucket, frame)
        row = locate(user, frame.num_buckets)[1]
        measures = slices.measure_rows(rating, prediction)
        for column, measure in enumerate((slices.ROWS, slices.SQUARED)):
            by_user[:, column] += np.bincount(row, measures[measure], minlength=len(support))
        std = kept.column(c.PREDICTION_STD).fill_null(np.nan).to_numpy()
        sums.intervals += intervals.count_inside(rating, prediction, std)
        keys = {
            slices.USER_ACTIVITY: slices.support_key(support)[row],
            slices.MOVIE_POPULARITY: slices.support_key(frame.movie_support)[movie],
            slices.RATING_VALUE: slices.rating_key(rating),
            slices.MONTH: slices.month_key(rated_at),
            slices.CALIBRATION: slices.calibration_key(prediction),
        }
        for name, key in keys.items():
            slices.add_rows(sums.by_slice.setdefault(name, {}), key, measures)
        _add_fallbacks(
            sums.by_slice.setdefault(slices.FALLBACKS, {}), kept.column(c.FALLBACK), measures
        )
    sums.num_users = int(np.count_nonzero(by_user[:, 0]))
    return sums, by_user


def _drop_bad(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the rows that have a finite prediction."""
    prediction = batch.column(c.PREDICTION)
    is_good = np.isfinite(prediction.fill_null(np.nan).to_numpy(zero_copy_only=False))
    return batch if is_good.all() else batch.filter(pa.array(is_good))


def _add_fallbacks(groups: slices.Groups, column: pa.Array, measures: FloatArray) -> None:
    encoded = column.fill_null(slices.MODEL).dictionary_encode()
    by_code: slices.Groups = {}
    slices.add_rows(by_code, encoded.indices.to_numpy(), measures)
    for code, label in enumerate(encoded.dictionary.to_pylist()):
        slices.add_sums(groups, label, by_code[code])


def _check_ids(folder: str, users: IntArray, movies: IntArray, bucket: int, frame: Frame) -> None:
    """Refuse predictions that were made for another index or other buckets."""
    wrong = locate(users, frame.num_buckets)[0] != bucket
    wrong |= (users >= frame.num_users) | (users < 0)
    wrong |= (movies >= len(frame.movie_support)) | (movies < 0)
    if wrong.any():
        first = int(np.argmax(wrong))
        raise DataError(
            describe(
                folder,
                found=f"{int(wrong.sum()):,} rows like user_index {users[first]}, "
                f"movie_index {movies[first]}",
                expected=f"users of bucket {bucket} of {frame.num_buckets} below "
                f"{frame.num_users:,} and movies below {len(frame.movie_support):,}",
                remedy="Run jobs/score.py with --force for this model.",
            )
        )
