"""Ratings per user, per movie and per period of time, counted in one pass over the columns.

Each task counts its own blocks. Its counts are shuffled by a hash of the id, so each id's total is
known in one task, and the driver receives every id once, however many tasks there were.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark import RDD
from pyspark.sql import SparkSession

from recspark.arrays.ids import Ids, TextIds, concatenate_ids, from_arrow, spread_ids, to_column
from recspark.arrays.ratings import NO_TIME, SECONDS_A_DAY, Ratings
from recspark.arrays.tally import Counts, add_tallies, tally
from recspark.cluster.arrow_blocks import Block, partition_rows
from recspark.cluster.shuffle import shuffle
from recspark.cluster.tasks import broadcast
from recspark.files.parquet import RowGroup
from recspark.prepare.rows import RatingFilter, read_block

# Ratings per task that adds up counts: each of them holds at most that many ids.
_REDUCER_ROWS = 16_000_000
_KINDS = ("users", "movies", "days", "read")
# One schema for the counts of all kinds: an id is a whole number or text.
_SENT = pa.schema(
    [("kind", pa.int8()), ("number", pa.int64()), ("text", pa.string()), ("count", pa.int64())]
)


@dataclass(frozen=True)
class RatingCounts:
    """Number of kept ratings per user, movie and day (since 1970-01-01), days ascending.

    Ratings without a time are counted as NO_DAY.
    """

    users: Ids
    user_counts: Counts
    movies: Ids
    movie_counts: Counts
    days: npt.NDArray[np.int64]
    day_counts: Counts
    num_read: int
    """Ratings read, including those that were not kept."""

    @property
    def num_ratings(self) -> int:
        """Ratings counted."""
        return int(self.movie_counts.sum())


_Tallies = dict[str, tuple[Ids, Counts]]


def count_ratings(
    spark: SparkSession,
    blocks: RDD[list[RowGroup]],
    rating_filter: RatingFilter,
    *,
    num_rows: int,
    root: str,
) -> RatingCounts:
    """Return the counts of the ratings that pass the filter.

    Args:
        spark: The session.
        blocks: Row groups of ratings.
        rating_filter: Which ratings to count.
        num_rows: About how many ratings there are, before the filter.
        root: Folder for temporary files.
    """
    num_reducers = max(1, -(-num_rows // _REDUCER_ROWS))
    with broadcast(spark.sparkContext, rating_filter) as shared:

        def count(items: Iterable[list[RowGroup]]) -> Iterator[Block]:
            for groups in items:
                block = read_block(groups)
                counts = count_block(block.where(shared.value.mask(block)))
                counts["read"] = np.zeros(1, np.int64), np.array([len(block)])
                yield from _send(counts, num_reducers)

        sent = blocks.mapPartitions(count)
        found = shuffle(spark, sent, num_reducers, lambda _, rows: _receive(rows), root)
    together = {kind: _concatenate([one[kind] for one in found if kind in one]) for kind in _KINDS}
    days, day_counts = together["days"]
    assert not isinstance(days, TextIds)
    order = np.argsort(days)
    return RatingCounts(
        *together["users"],
        *together["movies"],
        days[order].astype(np.int64),
        day_counts[order],
        num_read=int(together["read"][1].sum()),
    )


def count_block(block: Ratings) -> _Tallies:
    """Return the counts of one block by kind."""
    days = block.times // np.int32(SECONDS_A_DAY)
    lowest = int(days.min(initial=0))
    found, counts = tally(days - lowest)
    assert not isinstance(found, TextIds)
    return {
        "users": tally(block.users),
        "movies": tally(block.movies),
        "days": (found.astype(np.int64) + lowest, counts),
    }


NO_DAY = NO_TIME // SECONDS_A_DAY
"""The day that stands for ratings without a time."""


def count_seconds(
    blocks: RDD[list[RowGroup]], rating_filter: RatingFilter, day: int
) -> tuple[npt.NDArray[np.int64], Counts]:
    """Return the seconds of a day (since 1970) at which ratings were given, ascending, and counts.

    The driver receives at most 86,400 numbers from each of a few partial sums.
    """
    with broadcast(blocks.context, rating_filter) as shared:

        def count(groups: list[RowGroup]) -> Counts:
            block = read_block(groups)
            times = block.times[shared.value.mask(block)].astype(np.int64) - day * SECONDS_A_DAY
            within = times[(times >= 0) & (times < SECONDS_A_DAY)]
            return np.bincount(within, minlength=SECONDS_A_DAY)

        totals: Counts = blocks.map(count).treeReduce(np.add)
    seconds = np.flatnonzero(totals)
    return seconds + day * SECONDS_A_DAY, totals[seconds]


def _send(tallies: _Tallies, num_reducers: int) -> Iterator[Block]:
    """Yield the counts in blocks for the tasks that add them up."""
    batches, keys = [], []
    for number, kind in enumerate(_KINDS):
        ids, counts = tallies[kind]
        size = len(counts)
        is_text = isinstance(ids, TextIds)
        text = to_column(ids) if is_text else pa.nulls(size, pa.string())
        numbers = pa.nulls(size, pa.int64()) if is_text else to_column(ids)
        columns = [pa.array(np.full(size, number, np.int8)), numbers, text, pa.array(counts)]
        batches.append(pa.RecordBatch.from_arrays(columns, schema=_SENT))
        keys.append(spread_ids(ids, num_reducers))
    together = pa.Table.from_batches(batches).combine_chunks().to_batches()
    if together:
        yield from partition_rows(together[0], np.concatenate(keys), num_reducers)


def _receive(batches: Iterator[pa.RecordBatch]) -> _Tallies:
    """Return the sums of the counts that a task received."""
    parts: dict[str, list[tuple[Ids, Counts]]] = {}
    for batch in batches:
        ends = np.searchsorted(batch.column("kind").to_numpy(), range(len(_KINDS) + 1))
        for number, kind in enumerate(_KINDS):
            rows = batch.slice(ends[number], ends[number + 1] - ends[number])
            if rows.num_rows:
                is_text = rows.column("text").null_count == 0
                ids = from_arrow(rows.column("text" if is_text else "number"))
                parts.setdefault(kind, []).append((ids, rows.column("count").to_numpy()))
    return {kind: add_tallies(tallies) for kind, tallies in parts.items()}


def _concatenate(tallies: list[tuple[Ids, Counts]]) -> tuple[Ids, Counts]:
    if not tallies:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    return (
        concatenate_ids([ids for ids, _ in tallies]),
        np.concatenate([counts for _, counts in tallies]),
    )
