"""From ratings to the stored splits: buckets of users, rows in seeded random order inside each.

Rows move between tasks in Arrow blocks, one for each (task, bucket): a few thousand byte strings,
whereas Spark's shuffle would move every rating separately.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from recspark.arrays.hashing import hashed_order
from recspark.arrays.lookup import Lookup
from recspark.arrays.ratings import Ratings
from recspark.arrays.user_buckets import locate
from recspark.cluster.arrow_blocks import cut_by_key, from_block
from recspark.cluster.tasks import PartFile, write_part
from recspark.contract import columns as c
from recspark.prepare.split import SPLITS, TRAIN, Split

# Rating scales have few distinct values; without a scale, not all values need to be known.
MAX_VALUES = 1000
# The streaming feed reads whole row groups and holds one of each bucket: 100 MB with 64 buckets.
ROW_GROUP_ROWS = 131_072

_MOVED = pa.schema(
    [
        (c.USER_INDEX, pa.int32()),
        (c.MOVIE_INDEX, pa.int32()),
        (c.RATING, pa.float32()),
        (c.RATED_DAY, pa.int16()),
    ]
)


@dataclass(frozen=True)
class Layout:
    """How the rows of a bucket are split and ordered.

    Attributes:
        user_ids: Raw id of each user_index, int32 [num_users].
        movie_ids: Raw id of each movie_index, int32 [num_movies].
        split: Assigns rows to train, valid and test.
        seed: Seed of the order, which hashes raw ids, so that another filter does not change it.
    """

    user_ids: npt.NDArray[np.int32]
    movie_ids: npt.NDArray[np.int32]
    split: Split
    seed: int


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

    def num_rows(self, split: str) -> int:
        """Rows of one split in this bucket."""
        return self.files[split].num_rows if split in self.files else 0


def partition(
    block: Ratings, users: Lookup, movies: Lookup, num_buckets: int
) -> Iterator[tuple[int, bytes]]:
    """Yield (bucket, Arrow stream) for the rows of a block whose user and movie are known.

    The bucket is `user_index mod num_buckets`. Users are indexed by activity, so every bucket gets
    an even share of heavy and light users. A user's row inside a bucket is
    `user_index // num_buckets`, which needs no lookup table as a hash would.
    """
    user_index, movie_index = users.find(block.users), movies.find(block.movies)
    known = (user_index >= 0) & (movie_index >= 0)
    kept, user_index = block.where(known), user_index[known]
    columns: list[npt.NDArray[np.generic]] = [
        user_index,
        movie_index[known],
        kept.ratings,
        kept.days.astype(np.int16),
    ]
    # On 16 bits or fewer, argsort is a radix sort.
    bucket = locate(user_index, num_buckets)[0].astype(np.min_scalar_type(num_buckets - 1))
    order = np.argsort(bucket, kind="stable")
    batch = pa.record_batch([pa.array(column[order]) for column in columns], schema=_MOVED)
    yield from cut_by_key(batch, np.bincount(bucket, minlength=num_buckets))


def write_bucket(
    bucket: int, blocks: Iterable[bytes], layout: Layout, folders: dict[str, str]
) -> Written:
    """Split one bucket's rows, write a file for each split, and return what was written.

    The order is a hash of (user, movie) and the seed, so the order of arrival does not matter.

    Args:
        bucket: The bucket's number.
        blocks: Arrow streams from `partition`.
        layout: How rows are split and ordered.
        folders: Split name to the folder of its data set.
    """
    batches = [from_block(block) for block in blocks]
    table = pa.Table.from_batches(batches, schema=_MOVED)
    rows = Ratings(
        users=layout.user_ids[table.column(c.USER_INDEX).to_numpy()],
        movies=layout.movie_ids[table.column(c.MOVIE_INDEX).to_numpy()],
        ratings=table.column(c.RATING).to_numpy(),
        days=table.column(c.RATED_DAY).to_numpy().astype(np.int32),
    )
    code = layout.split(rows)
    shuffled = hashed_order(layout.seed, "order", rows.users, rows.movies)
    files = {}
    for number, split in enumerate(SPLITS):
        chosen = shuffled[code[shuffled] == number]
        if len(chosen):
            name = f"{c.BUCKET}={bucket}/part-0.parquet"
            part = table.take(pa.array(chosen))
            files[split] = write_part(part, folders[split], name, row_group_rows=ROW_GROUP_ROWS)
    in_train = rows.ratings[code == TRAIN]
    return Written(
        files=files,
        rating_min=float(in_train.min(initial=np.inf)),
        rating_max=float(in_train.max(initial=-np.inf)),
        rating_sum=float(in_train.sum(dtype=np.float64)),
        rating_squares=float(np.square(in_train, dtype=np.float64).sum()),
        rating_values=tuple(pc.unique(pa.array(in_train))[:MAX_VALUES].to_pylist()),
    )
