"""From ratings to the stored splits: buckets of users, rows in seeded random order inside each.

Rows move between tasks in Arrow blocks, one for each (task, bucket): a few thousand blocks, whereas
Spark's shuffle would move every rating separately.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from recspark.arrays.hashing import hashed_order
from recspark.arrays.ids import id_keys
from recspark.arrays.lookup import Lookup
from recspark.arrays.ratings import NO_TIME, Ratings, are_days
from recspark.arrays.user_buckets import locate
from recspark.cluster.arrow_blocks import Block, partition_rows
from recspark.cluster.tasks import PartFile, write_part
from recspark.contract import columns as c
from recspark.prepare.bucket_rows import BucketRows
from recspark.prepare.repeats import Policy, Repeat, settle
from recspark.prepare.split import PARTS, TRAIN, LastSplit, Split

MIN_BUCKETS, BUCKET_ROWS = 8, 2_000_000
# Rating scales have few distinct values; without a scale, not all values need to be known.
MAX_VALUES = 1000
# The streaming feed reads whole row groups and holds one of each bucket: 100 MB with 64 buckets.
ROW_GROUP_ROWS = 131_072

_MOVED = pa.schema(
    [
        (c.USER_INDEX, pa.int32()),
        (c.MOVIE_INDEX, pa.int32()),
        (c.RATING, pa.float32()),
        (c.RATED_AT, pa.int32()),
    ]
)


@dataclass(frozen=True)
class Layout:
    """How the rows of a bucket are split and ordered.

    Attributes:
        users: Raw user ids → user_index.
        movies: Raw movie ids → movie_index.
        split: Assigns rows to train, valid and test.
        duplicates: What becomes of several ratings of a pair.
        seed: Seed of the order, which hashes raw ids, so that another filter does not change it.
        lowest: Ratings below it are left out.
    """

    users: Lookup
    movies: Lookup
    split: Split
    duplicates: Policy
    seed: int
    lowest: float = -np.inf

    @functools.cached_property
    def user_keys(self) -> npt.NDArray[np.uint64]:
        """`id_keys` of each user_index, [num_users]."""
        return id_keys(self.users.ordered())

    @functools.cached_property
    def movie_keys(self) -> npt.NDArray[np.uint64]:
        """`id_keys` of each movie_index, [num_movies]."""
        return id_keys(self.movies.ordered())


@dataclass(frozen=True)
class Written:
    """What one bucket's task wrote: files by split, and statistics of train for later stages."""

    files: dict[str, PartFile]
    rating_min: float
    rating_max: float
    rating_sum: float
    rating_squares: float
    rating_values: tuple[float, ...]
    """The first MAX_VALUES distinct ratings."""
    num_repeats: int
    """Ratings that are gone because another of the same user and movie is kept."""
    repeats: tuple[Repeat, ...]
    """Some of the pairs with several ratings."""
    num_ties: int
    """With split last, the users with ratings of one second on both sides of the cut."""

    def num_rows(self, split: str) -> int:
        """Rows of one split in this bucket."""
        return self.files[split].num_rows if split in self.files else 0


def choose_num_buckets(num_ratings: int) -> int:
    """Return how many buckets suit a number of ratings: a power of two, 8 or more.

    A bucket then has at most BUCKET_ROWS ratings, unless there are fewer than eight times as many.
    """
    num_buckets = MIN_BUCKETS
    while num_buckets * BUCKET_ROWS < num_ratings:
        num_buckets *= 2
    return num_buckets


def partition(block: Ratings, layout: Layout, num_buckets: int) -> Iterator[Block]:
    """Yield the rows of a block whose user and movie are known, and not rated too low, by bucket.

    The bucket is `user_index mod num_buckets`. Users are indexed by activity, so every bucket gets
    an even share of heavy and light users. A user's row inside a bucket is
    `user_index // num_buckets`, which needs no lookup table as a hash would.
    """
    user_index = layout.users.find(block.users)
    movie_index = layout.movies.find(block.movies)
    known = (user_index >= 0) & (movie_index >= 0) & (block.ratings >= np.float32(layout.lowest))
    columns: list[npt.NDArray[np.generic]] = [
        user_index,
        movie_index,
        block.ratings,
        block.times,
    ]
    if not known.all():
        columns = [column[known] for column in columns]
    batch = pa.record_batch([pa.array(column) for column in columns], schema=_MOVED)
    buckets = locate(batch.column(c.USER_INDEX).to_numpy(), num_buckets)[0]
    yield from partition_rows(batch, buckets, num_buckets)


def write_bucket(
    bucket: int, batches: Iterable[pa.RecordBatch], layout: Layout, folders: Mapping[str, str]
) -> Written:
    """Split one bucket's rows, write a file for each split, and return what was written.

    The order is a hash of (user, movie) and the seed, so the order of arrival matters only for
    several ratings of a pair.

    Args:
        bucket: The bucket's number.
        batches: Rows from `partition`, in the order of the source.
        layout: How rows are split and ordered.
        folders: Split name to the folder of its data set.
    """
    table = pa.Table.from_batches(batches, schema=_MOVED)
    users, movies, ratings, times = (column.to_numpy() for column in table.columns)
    rows = BucketRows(
        users, movies, layout.user_keys[users], layout.movie_keys[movies], ratings, times
    )
    shuffled, may_repeat = hashed_order(layout.seed, "order", rows.user_keys, rows.movie_keys)
    num_repeats = 0
    repeats: tuple[Repeat, ...] = ()
    if may_repeat:
        settled = settle(rows, layout.duplicates)
        rows, num_repeats, repeats = settled.rows, settled.num_dropped, settled.samples
        shuffled, _ = hashed_order(layout.seed, "order", rows.user_keys, rows.movie_keys)
    code = layout.split(rows)
    files = {}
    for number, split in enumerate(PARTS):
        chosen = shuffled[code[shuffled] == number]
        if len(chosen):
            files[split] = _write(rows, chosen, folders[split], bucket)
    in_train = rows.ratings[code == TRAIN]
    return Written(
        files=files,
        rating_min=float(in_train.min(initial=np.inf)),
        rating_max=float(in_train.max(initial=-np.inf)),
        rating_sum=float(in_train.sum(dtype=np.float64)),
        rating_squares=float(np.square(in_train, dtype=np.float64).sum()),
        rating_values=tuple(pc.unique(pa.array(in_train))[:MAX_VALUES].to_pylist()),
        num_repeats=num_repeats,
        repeats=repeats,
        num_ties=layout.split.count_ties(rows) if isinstance(layout.split, LastSplit) else 0,
    )


def _write(rows: BucketRows, chosen: npt.NDArray[np.int64], folder: str, bucket: int) -> PartFile:
    times = rows.times[chosen]
    table = pa.table(
        [
            pa.array(rows.users[chosen]),
            pa.array(rows.movies[chosen]),
            pa.array(rows.ratings[chosen]),
            pa.array(times, mask=times == NO_TIME),
        ],
        schema=_MOVED,
    )
    name = f"{c.BUCKET}={bucket}/part-0.parquet"
    close = [] if are_days(times) else [c.RATED_AT]  # days repeat, so that a dictionary is smaller
    return write_part(table, folder, name, close=close, row_group_rows=ROW_GROUP_ROWS)
