"""Lists for users who are unknown to a run, from a frame of what they rated, without Spark."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recspark.arrays.ids import is_text
from recspark.arrays.lookup import Lookup
from recspark.config import RecommendConfig
from recspark.contract import columns as c
from recspark.contract.paths import RunPaths
from recspark.datasets.histories import Histories
from recspark.datasets.prepared import PreparedFacts
from recspark.datasets.train_buckets import TrainBuckets, read_bucket
from recspark.errors import DataError, describe
from recspark.notebook.raw_ids import pair_ids
from recspark.recommend.explainers import require_reasons
from recspark.recommend.history_lists import open_users
from recspark.recommend.listing import make_listing, require_movies
from recspark.recommend.lists import list_batches, schema_of
from recspark.scoring.load import SavedModel

if TYPE_CHECKING:
    import pandas as pd


def list_frame(
    histories: pd.DataFrame,
    saved: SavedModel,
    movies: Lookup,
    facts: PreparedFacts,
    paths: RunPaths,
    settings: RecommendConfig,
) -> pd.DataFrame:
    """Return `user_id`, `rank`, `movie_id`, `score` and what the settings add, by user and rank.

    Args:
        histories: A pandas frame of `user_id`, `movie_id` and, unless all ratings of the run are
            equal, `rating`. Of several ratings of a movie by a user, the last row counts.
        saved: The model.
        movies: Of the run.
        facts: Of the run's train.
        paths: Of the run.
        settings: What is listed.

    Raises:
        ConfigError: The model does not answer for unknown users, or has no reasons.
        DataError: A column is missing, or a value is not an id or not in the rating scale.
    """
    require_columns(histories, [c.USER_ID, c.MOVIE_ID])
    if settings.reasons:
        require_reasons(saved, posixpath.basename(saved.folder), settings.reasons)
    require_movies(settings, paths.movies)
    ids, users = np.unique(histories[c.USER_ID].to_numpy(), return_inverse=True)
    _, raw = pair_ids(users, histories[c.MOVIE_ID], are_text=(False, is_text(movies.ids)))
    found = movies.find(raw)
    ratings = _read_ratings(histories, facts)
    is_known = found >= 0
    users, found, ratings = users[is_known], found[is_known], ratings[is_known]
    is_last = _is_last(users, found, len(movies))
    known = Histories.group(users[is_last], found[is_last], ratings[is_last], len(ids))
    counts = _count_ratings(saved.train)
    listing = make_listing(settings, saved, counts, movies.ordered(), paths.movies)
    places = np.arange(len(ids))  # the ids may be of any kind
    batches = list_batches(listing, open_users(listing, known, places))
    frame = pa.Table.from_batches(batches, schema_of(listing, places)).to_pandas()
    frame[c.USER_ID] = ids[frame[c.USER_ID]]
    return frame


def _count_ratings(train: TrainBuckets) -> npt.NDArray[np.int64]:
    """Return the ratings of each movie, [movies]."""
    counts = np.zeros(train.num_movies, np.int64)
    for bucket in sorted(train.bucket_rows):
        [movies] = read_bucket(train.path, bucket, [c.MOVIE_INDEX])
        counts += np.bincount(movies, minlength=train.num_movies)
    return counts


def require_columns(frame: pd.DataFrame, names: Sequence[str]) -> None:
    """Raise a DataError unless a frame has these columns."""
    missing = [name for name in names if name not in frame]
    if missing:
        raise DataError(
            describe(
                "histories",
                found=f"no columns {', '.join(missing)} among {', '.join(map(str, frame))}",
                expected=f"{c.USER_ID}, {c.MOVIE_ID} and {c.RATING}",
                remedy="Rename the columns of the frame.",
            )
        )


def _read_ratings(frame: pd.DataFrame, facts: PreparedFacts) -> npt.NDArray[np.float32]:
    """Return the ratings, checked; without a column the only rating that the run has."""
    lowest, highest = facts.rating_min, facts.rating_max
    if lowest == highest and c.RATING not in frame:
        return np.full(len(frame), lowest, np.float32)
    require_columns(frame, [c.RATING])
    ratings = frame[c.RATING].to_numpy(np.float32)
    wrong = np.flatnonzero(~((ratings >= lowest) & (ratings <= highest)))
    if len(wrong):
        raise DataError(
            describe(
                "histories",
                found=f"{len(wrong):,} ratings such as {ratings[wrong[0]]:g} in row {wrong[0]}",
                expected=f"numbers from {lowest:g} to {highest:g}, the scale of the run",
                remedy="Correct or remove them.",
            )
        )
    return ratings


def _is_last(
    users: npt.NDArray[np.integer], movies: npt.NDArray[np.integer], num_movies: int
) -> npt.NDArray[np.bool_]:
    """Return which rows are the last one of their user and movie."""
    pairs = users.astype(np.int64) * num_movies + movies
    last = len(pairs) - 1 - np.unique(pairs[::-1], return_index=True)[1]
    found = np.zeros(len(pairs), bool)
    found[last] = True
    return found
