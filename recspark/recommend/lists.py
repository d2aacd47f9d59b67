"""Top-N lists of one bucket of users, made and written by one task."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recspark.arrays.ids import Ids, to_column
from recspark.arrays.user_buckets import locate
from recspark.cluster.tasks import PartFile, write_batches
from recspark.contract import columns as c
from recspark.datasets.train_buckets import read_bucket
from recspark.recommend.top_n import RunningTop, padded
from recspark.scoring.block_scorers import ScorerFactory
from recspark.scoring.load import SavedModel, open_model
from recspark.scoring.predictors import NOTHING, Ints

# A block of scores: MOVIE_BLOCK × USER_BLOCK × 4 bytes = 64 MB at most.
MOVIE_BLOCK = 32_768
USER_BLOCK = 512

_COLUMNS = (c.USER_ID, c.RANK, c.MOVIE_ID, c.SCORE)


@dataclass(frozen=True)
class ListJob:
    """What the tasks need; broadcast to them."""

    model: SavedModel
    count: int
    """Length of a list."""
    seen: tuple[str, ...]
    """Paths of data sets of ratings; the movies that a user rated in them are left out."""
    candidates: npt.NDArray[np.int32]
    """`movie_index` of the movies that may be listed, ascending."""
    user_ids: Ids
    """Raw id of each `user_index`."""
    movie_ids: Ids
    wanted: npt.NDArray[np.bool_] | None
    """[users], whether a user gets a list; None for all."""
    caution: float = 0.0
    """See `RecommendConfig`."""


@dataclass(frozen=True)
class WrittenLists:
    """What one task wrote."""

    file: PartFile
    num_lists: int
    """Users with a list, which holds at least one movie."""
    num_users: int
    """Users who are wanted and have a rating in train."""


def write_lists(job: ListJob, bucket: int, root: str) -> WrittenLists:
    """Write the lists of one bucket.

    Lists are for users with a rating in train. Memory: the bucket's ratings, 40 bytes each, and one
    block of scores.

    Args:
        job: What to list for whom.
        bucket: The bucket.
        root: Staging folder.
    """
    rated = [read_bucket(path, bucket, [c.USER_INDEX, c.MOVIE_INDEX]) for path in job.seen]
    listed = np.unique(rated[0][0])  # train comes first: the model knows its users
    if job.wanted is not None:
        listed = listed[job.wanted[listed]]
    num_lists = 0

    def batches() -> Iterator[pa.RecordBatch]:
        nonlocal num_lists
        for users, rank, movies, scores in _find(job, bucket, listed, rated):
            num_lists += len(np.unique(users))
            yield _to_batch(job, users, rank, movies, scores)

    nobody = np.zeros(0, np.int64)
    schema = _to_batch(job, nobody, nobody, nobody, np.zeros(0, np.float32)).schema
    name = f"part-{bucket:05d}.parquet"
    file = write_batches(batches(), schema, root, name, distinct=[c.SCORE])
    return WrittenLists(file, num_lists, len(listed))


def _to_batch(
    job: ListJob, users: Ints, rank: Ints, movies: Ints, scores: npt.NDArray[np.float32]
) -> pa.RecordBatch:
    columns = [
        to_column(job.user_ids[users]),
        pa.array(rank.astype(np.int32)),
        to_column(job.movie_ids[movies]),
        pa.array(scores),
    ]
    return pa.RecordBatch.from_arrays(columns, list(_COLUMNS))


def _find(
    job: ListJob, bucket: int, listed: Ints, rated: list[list[npt.NDArray[np.int32]]]
) -> Iterator[tuple[Ints, Ints, Ints, npt.NDArray[np.float32]]]:
    """Yield (user_index, rank, movie_index, score) of one block of users after another.

    Args:
        job: What to list.
        bucket: The bucket.
        listed: `user_index` of the users to list for, ascending.
        rated: User and movie of the ratings whose movies are left out.
    """
    num_buckets, num_candidates = job.model.num_buckets, len(job.candidates)
    position = np.full(len(job.movie_ids), -1, np.int32)
    position[job.candidates] = np.arange(num_candidates)
    owner, movie = _seen(listed, rated, position)
    make = ScorerFactory(open_model(job.model), job.candidates, job.caution)
    for start in range(0, len(listed), USER_BLOCK):
        users = listed[start : start + USER_BLOCK]
        scorer = make.for_users(bucket, locate(users, num_buckets)[1])
        top = RunningTop(len(users), job.count)
        left, right = np.searchsorted(owner, [start, start + len(users)])
        mine, hidden = owner[left:right] - start, movie[left:right]
        height = padded(min(num_candidates, MOVIE_BLOCK))
        block = np.full((height, len(users)), NOTHING, np.float32)
        for first in range(0, num_candidates, height):
            stop = min(first + height, num_candidates)
            block[stop - first :] = NOTHING
            scorer.fill(slice(first, stop), block[: stop - first])
            inside = (hidden >= first) & (hidden < stop)
            block[hidden[inside] - first, mine[inside]] = NOTHING
            top.add(block, first)
        found, rank, where, scores = top.lists()
        yield users[found], rank, job.candidates[where], scores


def _seen(
    listed: Ints, rated: list[list[npt.NDArray[np.int32]]], position: npt.NDArray[np.int32]
) -> tuple[Ints, Ints]:
    """Return (place in `listed`, place among candidates) of the movies they rated, by user."""
    users = np.concatenate([columns[0] for columns in rated])
    movies = position[np.concatenate([columns[1] for columns in rated])]
    place = np.searchsorted(listed, users)
    is_listed = np.take(listed, place, mode="clip") == users if len(listed) else users < 0
    chosen = is_listed & (movies >= 0)
    place, movies = place[chosen], movies[chosen]
    # 16-bit keys are radix-sorted, which is several times as fast.
    keys = place.astype(np.uint16) if len(listed) <= 2**16 else place
    order = np.argsort(keys, kind="stable")
    return place[order], movies[order]
