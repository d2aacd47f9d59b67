"""Scores requested pairs by the buckets of their users, and writes them in their order.

Arrow blocks are shuffled twice: to the task that holds the user's bucket, and back to the pair's
position. So a task needs only one bucket of the model, or one part of the output, at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import SparkSession

from recspark.arrays.ids import Ids, to_column
from recspark.arrays.lookup import Lookup
from recspark.arrays.user_buckets import locate
from recspark.cluster.arrow_blocks import Block, partition_rows
from recspark.cluster.shuffle import Received, group, shuffle
from recspark.cluster.tasks import PartFile, broadcast, spread, write_part
from recspark.contract import columns as c
from recspark.errors import DataError, describe
from recspark.scoring.pair_files import PAIRS, TIMED_PAIRS, Planned, read_pairs, to_batch
from recspark.scoring.predict import Scoring, score_pairs

# Rows of one output file: what a task holds at a time, about 60 bytes each.
PART_ROWS = 1_000_000

_INDEXED = [*TIMED_PAIRS, c.USER_INDEX, c.MOVIE_INDEX]
_SCORED = [*PAIRS, c.PREDICTION, c.PREDICTION_STD, c.FALLBACK]


def score_request(
    spark: SparkSession,
    pieces: list[Planned],
    scoring: Scoring,
    *,
    user_ids: Ids,
    movie_ids: Ids,
    root: str,
    part_rows: int = PART_ROWS,
) -> list[PartFile]:
    """Write `scored_pairs`, one row per requested pair, in files that follow the request's order.

    A pair that is requested twice is answered twice. The fallback answers for unknown ids. If no
    pair is requested, one file without rows is written.

    Args:
        spark: The session.
        pieces: The request, from `plan_pieces`.
        scoring: The models.
        user_ids: Raw id of each user_index, [users].
        movie_ids: Raw id of each movie_index, [movies].
        root: Staging folder.
        part_rows: Rows of one file.

    Raises:
        DataError: A pair was lost or duplicated.
    """
    num_buckets = scoring.model.num_buckets
    num_pairs = sum(one.num_pairs for one in pieces)
    num_parts = -(-num_pairs // part_rows)
    if not num_pairs:
        return [write_part(_without_rows(user_ids, movie_ids), root, _part_name(0))]

    def score(buckets: Iterable[Received]) -> Iterator[Block]:
        for batch in (batch for _, batches in buckets for batch in batches):
            user, movie, time = (
                batch.column(name).to_numpy() for name in (c.USER_INDEX, c.MOVIE_INDEX, c.RATED_AT)
            )
            columns = [batch.column(name) for name in PAIRS]
            columns += score_pairs(scoring, user, movie, time).columns
            parts = batch.column(c.POSITION).to_numpy() // part_rows
            yield from partition_rows(
                pa.RecordBatch.from_arrays(columns, _SCORED), parts, num_parts
            )

    def write(part: int, batches: Iterator[pa.RecordBatch]) -> PartFile:
        return write_answers(part, batches, num_pairs, part_rows, root)

    lookups = Lookup.of(user_ids), Lookup.of(movie_ids)
    with broadcast(spark.sparkContext, lookups) as shared:
        indexed = spread(spark, pieces, len(pieces)).mapPartitions(
            lambda items: _index_pairs(items, *shared.value, num_buckets)
        )
        scored = group(spark, indexed, num_buckets, root).mapPartitions(score)
        return shuffle(spark, scored, num_parts, write, root)


def write_answers(
    part: int, batches: Iterable[pa.RecordBatch], num_pairs: int, part_rows: int, root: str
) -> PartFile:
    """Write one file of answers, in the request's order.

    Args:
        part: Its number.
        batches: Its answers, in any order.
        num_pairs: Pairs of the whole request.
        part_rows: Rows of one file.
        root: Staging folder.

    Raises:
        DataError: A pair was lost or duplicated.
    """
    table = pa.Table.from_batches(batches).sort_by(c.POSITION)
    wanted = np.arange(part * part_rows, min(num_pairs, (part + 1) * part_rows))
    if not np.array_equal(table.column(c.POSITION).to_numpy(), wanted):
        raise DataError(
            describe(
                f"scored_pairs, part {part}",
                found=f"{table.num_rows:,} pairs",
                expected=f"{len(wanted):,}, each once",
                remedy="Run with --force. If that fails, report it: recspark must not lose rows.",
            )
        )
    distinct = [c.POSITION, c.PREDICTION]
    return write_part(table, root, _part_name(part), distinct=distinct)


def _part_name(part: int) -> str:
    return f"part-{part:05d}.parquet"


def _without_rows(user_ids: Ids, movie_ids: Ids) -> pa.Table:
    """Return a table without rows whose ids have the types of these ids."""
    columns = [
        pa.array([], pa.int64()),
        to_column(user_ids[:0]),
        to_column(movie_ids[:0]),
        pa.array([], pa.float32()),
        pa.array([], pa.float32()),
        pa.array([], pa.string()),
    ]
    return pa.table(columns, names=_SCORED)


def _index_pairs(
    pieces: Iterable[Planned], users: Lookup, movies: Lookup, num_buckets: int
) -> Iterator[Block]:
    """Yield the pairs of the pieces, with their indices, in blocks for the buckets of the users."""
    for piece in pieces:
        pairs = read_pairs(piece)
        user, movie = users.find(pairs.users), movies.find(pairs.movies)
        batch = to_batch(piece, pairs)
        # Unknown users need no bucket: they are spread by their position.
        spread_out = batch.column(c.POSITION).to_numpy() % num_buckets
        buckets = np.where(user < 0, spread_out, locate(user, num_buckets)[0])
        columns = [*batch.columns, pa.array(user), pa.array(movie)]
        indexed = pa.RecordBatch.from_arrays(columns, _INDEXED)
        yield from partition_rows(indexed, buckets, num_buckets)
