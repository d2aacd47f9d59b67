"""Settles all repeats before the ratings are counted, filtered and split.

Counts per user and movie are of ratings, not of events, so where a pair has several, they must be
one before anything is counted. That costs a shuffle more, and is done only where there are repeats.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
from pyspark import RDD
from pyspark.sql import SparkSession

from recspark.arrays.ids import Ids, TextIds, from_arrow, spread_ids, to_column
from recspark.arrays.ratings import Ratings
from recspark.cluster.arrow_blocks import Block, partition_rows
from recspark.cluster.shuffle import shuffle
from recspark.cluster.tasks import PartFile, commit_parts
from recspark.contract import columns as c
from recspark.files import storage
from recspark.files.parquet import RowGroup
from recspark.ingest.ratings_file import write_ratings
from recspark.prepare.bucket_rows import BucketRows
from recspark.prepare.repeats import Policy, settle
from recspark.prepare.rows import TASK_ROWS, read_block

_COLUMNS = (c.USER_ID, c.MOVIE_ID, c.RATING, c.RATED_AT)


def settle_ratings(
    spark: SparkSession, blocks: RDD[list[RowGroup]], policy: Policy, *, num_rows: int, root: str
) -> int:
    """Write the ratings with one of each (user, movie) to a folder, and return how many are gone.

    Args:
        spark: The session.
        blocks: Row groups of ratings, in the order of the source.
        policy: What becomes of repeats.
        num_rows: Number of ratings.
        root: The folder, with files like those of `ratings`.
    """
    num_parts = max(1, -(-num_rows // TASK_ROWS))

    def send(items: Iterable[list[RowGroup]]) -> Iterator[Block]:
        for groups in items:
            rows = read_block(groups)
            yield from partition_rows(_to_batch(rows), spread_ids(rows.users, num_parts), num_parts)

    def write(part: int, batches: Iterator[pa.RecordBatch]) -> tuple[list[PartFile], int]:
        received = list(batches)
        if not received:
            return [], 0
        rows = _from_table(pa.Table.from_batches(received))
        settled = settle(_by_code(rows), policy)
        kept = Ratings(
            rows.users[settled.kept],
            rows.movies[settled.kept],
            settled.rows.ratings,
            settled.rows.times,
        )
        return [write_ratings(kept, root, f"part-{part:05d}.parquet")], settled.num_dropped

    written = shuffle(spark, blocks.mapPartitions(send), num_parts, write, root)
    storage.make_folder(root)
    commit_parts((file for files, _ in written for file in files), root)
    return sum(dropped for _, dropped in written)


def _to_batch(rows: Ratings) -> pa.RecordBatch:
    ids = [to_column(rows.users), to_column(rows.movies)]
    columns = [*ids, pa.array(rows.ratings), pa.array(rows.times)]
    return pa.RecordBatch.from_arrays(columns, list(_COLUMNS))


def _from_table(table: pa.Table) -> Ratings:
    users, movies, ratings, times = table.columns
    return Ratings(from_arrow(users), from_arrow(movies), ratings.to_numpy(), times.to_numpy())


def _by_code(rows: Ratings) -> BucketRows:
    """Return the rows with positions among the distinct ids in place of indexes."""
    none = np.zeros(len(rows), np.uint64)
    return BucketRows(_codes(rows.users), _codes(rows.movies), none, none, rows.ratings, rows.times)


def _codes(ids: Ids) -> np.ndarray:
    if isinstance(ids, TextIds):
        return ids.codes
    return np.unique(ids, return_inverse=True)[1].reshape(-1).astype(np.int32)
