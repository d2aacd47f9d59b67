"""Top-N lists for users whom a model was not fitted on, or who have rated since.

Rows are shuffled by user. A user's history is what the run knows of him, train and valid, and the
rows of the files; of two ratings of a movie the newest counts. Users of the run come to a task with
others of their bucket, so that a task reads one bucket.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recspark.arrays.ids import Ids, TextIds, from_arrow, spread_ids, to_column
from recspark.arrays.lookup import Lookup
from recspark.arrays.ratings import NO_TIME
from recspark.cluster.arrow_blocks import Block, partition_rows
from recspark.cluster.tasks import PartFile, write_batches
from recspark.contract import columns as c
from recspark.datasets.histories import Histories
from recspark.datasets.train_buckets import read_bucket
from recspark.files.parquet import RowGroup
from recspark.prepare.bucket_rows import BucketRows
from recspark.prepare.repeats import Policy, settle
from recspark.prepare.rows import read_block
from recspark.recommend.lists import MOVIE_BLOCK, USER_BLOCK
from recspark.recommend.top_n import NOTHING, RunningTop, padded
from recspark.scoring.fold_in import HistoryModel, open_history_model
from recspark.scoring.load import SavedModel
from recspark.scoring.predictors import Ints

# Rows of the files that a task receives, 40 bytes each, beside one bucket of the run.
PART_ROWS = 1_000_000

_SENT = (c.USER_ID, c.USER_INDEX, c.MOVIE_INDEX, c.RATING, c.RATED_AT)
_UNTIMED = int(np.iinfo(np.int32).max)  # what is in the files but says no time is the newest


@dataclass(frozen=True)
class NewUserJob:
    """What the tasks need; broadcast to them."""

    model: SavedModel
    count: int
    """Length of a list."""
    known: tuple[str, ...]
    """Paths of data sets with what users of the run are known to have rated."""
    candidates: npt.NDArray[np.int32]
    """`movie_index` of the movies that may be listed, ascending."""
    users: Lookup
    movies: Lookup
    movie_ids: Ids
    """Raw id of each `movie_index`."""
    num_parts: int
    """Tasks, a multiple of the model's buckets."""
    repeats: Policy
    """What becomes of several ratings of one movie by one user within the files."""


@dataclass(frozen=True)
class WrittenNewLists:
    """What one task wrote, and the counts of its users and rows."""

    file: PartFile | None
    num_users: int = 0
    num_known: int = 0
    """Users of the run among them."""
    num_lists: int = 0
    num_without_movie: int = 0
    """Users with no movie in their history that the run knows: they get no list."""
    num_unknown_movies: int = 0
    """Rows of the files whose movie the run does not know: they are left out."""


def num_parts(num_ratings: int, num_buckets: int) -> int:
    """Return how many tasks to make lists in."""
    return num_buckets * max(1, -(-num_ratings // (num_buckets * PART_ROWS)))


def send_rows(blocks: Iterable[list[RowGroup]], job: NewUserJob) -> Iterator[Block]:
    """Yield the rows of the files with their indices, in blocks for the tasks of their users."""
    for groups in blocks:
        rows = read_block(groups)
        user, movie = job.users.find(rows.users), job.movies.find(rows.movies)
        part = np.where(user < 0, spread_ids(rows.users, job.num_parts), user % job.num_parts)
        columns = [to_column(rows.users), *map(pa.array, (user, movie, rows.ratings, rows.times))]
        batch = pa.RecordBatch.from_arrays(columns, list(_SENT))
        yield from partition_rows(batch, part, job.num_parts)


def write_new_lists(
    job: NewUserJob, part: int, batches: Iterator[pa.RecordBatch], root: str
) -> WrittenNewLists:
    """Write the lists of one task's users.

    Memory: its rows, one bucket of the run where some users are of the run, and one block of
    scores.

    Args:
        job: What to list.
        part: The task's number.
        batches: Its rows, from `send_rows`.
        root: Staging folder.
    """
    received = list(batches)
    if not received:
        return WrittenNewLists(None)
    table = pa.Table.from_batches(received)
    ids, rows, counts = _group(job, part, table)
    users = Histories.group(rows.users, rows.movies, rows.ratings, len(ids))
    num_lists = 0

    def to_batches() -> Iterator[pa.RecordBatch]:
        nonlocal num_lists
        for found, rank, movies, scores in list_new(
            open_history_model(job.model), users, job.candidates, job.count
        ):
            num_lists += len(np.unique(found))
            yield _to_batch(ids[found], rank, job.movie_ids[movies], scores)

    nobody = np.zeros(0, np.int64)
    schema = _to_batch(ids[:0], nobody, job.movie_ids[:0], nobody.astype(np.float32)).schema
    name = f"part-{part:05d}.parquet"
    file = write_batches(to_batches(), schema, root, name, distinct=[c.SCORE])
    return replace(counts, file=file, num_lists=num_lists)


def list_new(
    model: HistoryModel, users: Histories, candidates: npt.NDArray[np.int32], count: int
) -> Iterator[tuple[Ints, Ints, Ints, npt.NDArray[np.float32]]]:
    """Yield (user, rank, movie_index, score) of one block of users after another.

    Movies of a user's history are left out, and users without a movie that the model knows get
    nothing.

    Args:
        model: Scores them.
        users: What they rated, [U].
        candidates: `movie_index` of the movies that may be listed, ascending.
        count: Length of a list.
    """
    position = np.full(max(candidates.max(), users.movies.max(initial=0)) + 1, -1, np.int32)
    position[candidates] = np.arange(len(candidates))
    height = padded(min(len(candidates), MOVIE_BLOCK))
    for start in range(0, users.num_users, USER_BLOCK):
        chosen = np.arange(start, min(start + USER_BLOCK, users.num_users))
        mine = users.take(chosen)
        owner, hidden = np.repeat(chosen - start, np.diff(mine.starts)), position[mine.movies]
        top = RunningTop(len(chosen), count)
        block = np.full((height, len(chosen)), NOTHING, np.float32)
        for first in range(0, len(candidates), height):
            stop = min(first + height, len(candidates))
            block[stop - first :] = NOTHING
            model.fill(mine, candidates[first:stop], block[: stop - first], NOTHING)
            inside = (hidden >= first) & (hidden < stop)
            block[hidden[inside] - first, owner[inside]] = NOTHING
            top.add(block, first)
        found, rank, where, scores = top.lists()
        yield chosen[found], rank, candidates[where], scores


def _to_batch(
    users: Ids, rank: Ints, movies: Ids, scores: npt.NDArray[np.float32]
) -> pa.RecordBatch:
    columns = [to_column(users), pa.array(rank.astype(np.int32)), to_column(movies)]
    names = [c.USER_ID, c.RANK, c.MOVIE_ID, c.SCORE]
    return pa.RecordBatch.from_arrays([*columns, pa.array(scores)], names)


def _group(job: NewUserJob, part: int, table: pa.Table) -> tuple[Ids, BucketRows, WrittenNewLists]:
    """Return the raw ids of a task's users, their histories by position, and their counts.

    Each user of the run has what the run knows added.
    """
    names = (c.USER_INDEX, c.MOVIE_INDEX, c.RATING, c.RATED_AT)
    index, movies, ratings, times = (table.column(name).to_numpy() for name in names)
    ids, users = _distinct(from_arrow(table.column(c.USER_ID)))
    is_known_movie = movies >= 0
    rows = _rows(users, movies, ratings, times).take(is_known_movie)
    rows = settle(rows, job.repeats).rows
    of_run = np.full(len(ids), -1, np.int32)
    of_run[users] = index
    if (of_run >= 0).any():
        newest = np.where(rows.times == NO_TIME, _UNTIMED, rows.times)
        known = _read_known(job, part, of_run)
        together = [known, replace(rows, times=newest.astype(np.int32))]
        columns = ("users", "movies", "ratings", "times")
        joined = (np.concatenate([getattr(one, name) for one in together]) for name in columns)
        rows = settle(_rows(*joined), "last").rows
    num_movies = np.bincount(rows.users, minlength=len(ids))
    counts = WrittenNewLists(
        file=None,
        num_users=len(ids),
        num_known=int((of_run >= 0).sum()),
        num_without_movie=int((num_movies == 0).sum()),
        num_unknown_movies=int((~is_known_movie).sum()),
    )
    return ids, rows, counts


def _read_known(job: NewUserJob, part: int, of_run: npt.NDArray[np.int32]) -> BucketRows:
    """Return what the run knows of users, by their position.

    Args:
        job: Says where.
        part: The task's number.
        of_run: `user_index` of each user of the task, -1 for those unknown to the run.
    """
    lookup = Lookup.of(of_run[of_run >= 0].astype(np.int64))
    places = np.flatnonzero(of_run >= 0)
    columns = [c.USER_INDEX, c.MOVIE_INDEX, c.RATING, c.RATED_AT]
    found = []
    for path in job.known:
        users, *others = read_bucket(path, part % job.model.num_buckets, columns)
        place = lookup.find(users)
        wanted = place >= 0
        found.append([places[place[wanted]], *(one[wanted] for one in others)])
    users, movies, ratings, times = (np.concatenate(one) for one in zip(*found, strict=True))
    seconds = np.where(np.isnan(times), NO_TIME, times) if times.dtype.kind == "f" else times
    return _rows(users, movies, ratings, seconds)


def _rows(
    users: npt.NDArray, movies: npt.NDArray, ratings: npt.NDArray, times: npt.NDArray
) -> BucketRows:
    none = np.zeros(len(users), np.uint64)
    user, movie, time = (one.astype(np.int32) for one in (users, movies, times))
    return BucketRows(user, movie, none, none, ratings.astype(np.float32), time)


def _distinct(ids: Ids) -> tuple[Ids, npt.NDArray[np.int32]]:
    """Return the distinct ids and the position of each id among them."""
    if isinstance(ids, TextIds):
        codes = np.unique(ids.codes, return_inverse=True)
        values = ids.values.take(pa.array(codes[0]))
        of_each = codes[1].reshape(-1).astype(np.int32)
        return TextIds(np.arange(len(values), dtype=np.int32), values), of_each
    values, positions = np.unique(ids, return_inverse=True)
    return values, positions.reshape(-1).astype(np.int32)
