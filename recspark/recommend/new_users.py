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
from recspark.cluster.tasks import PartFile
from recspark.contract import columns as c
from recspark.datasets.histories import Histories
from recspark.datasets.train_buckets import read_bucket
from recspark.files.parquet import RowGroup
from recspark.prepare.bucket_rows import BucketRows
from recspark.prepare.repeats import Policy, settle
from recspark.prepare.rows import read_block
from recspark.recommend.history_lists import HistoryLists

# Rows of the files that a task receives, 40 bytes each, beside one bucket of the run.
PART_ROWS = 1_000_000

_SENT = (c.USER_ID, c.USER_INDEX, c.MOVIE_INDEX, c.RATING, c.RATED_AT)
_UNTIMED = int(np.iinfo(np.int32).max)  # what is in the files but says no time is the newest


@dataclass(frozen=True)
class NewUserJob:
    """What the tasks need; broadcast to them."""

    lists: HistoryLists
    known: tuple[str, ...]
    """Paths of data sets with what users of the run are known to have rated."""
    users: Lookup
    movies: Lookup
    num_parts: int
    """Tasks, a multiple of the model's buckets."""
    lowest: float
    """Ratings below it are left out, as `prepare.min_rating` says."""
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
    name = f"part-{part:05d}.parquet"
    file, num_lists = job.lists.write(users, ids, root, name)
    return replace(counts, file=file, num_lists=num_lists)


def _group(job: NewUserJob, part: int, table: pa.Table) -> tuple[Ids, BucketRows, WrittenNewLists]:
    """Return the raw ids of a task's users, their histories by position, and their counts.

    Each user of the run has what the run knows added.
    """
    names = (c.USER_INDEX, c.MOVIE_INDEX, c.RATING, c.RATED_AT)
    index, movies, ratings, times = (table.column(name).to_numpy() for name in names)
    ids, users = _distinct(from_arrow(table.column(c.USER_ID)))
    is_known_movie = movies >= 0
    rows = settle(_rows(users, movies, ratings, times).take(is_known_movie), job.repeats).rows
    of_run = np.full(len(ids), -1, np.int32)
    of_run[users] = index
    if (of_run >= 0).any():
        newest = np.where(rows.times == NO_TIME, _UNTIMED, rows.times)
        known = _read_known(job, part, of_run)
        together = [known, replace(rows, times=newest.astype(np.int32))]
        columns = ("users", "movies", "ratings", "times")
        joined = (np.concatenate([getattr(one, name) for one in together]) for name in columns)
        rows = settle(_rows(*joined), "last").rows
    rows = rows.take(rows.ratings >= np.float32(job.lowest))
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
        users, *others = read_bucket(path, part % job.lists.model.num_buckets, columns)
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
