"""Requested pairs whose users a model was not fitted on, or who have rated since.

The rows of the files of histories and the pairs are shuffled by user together. Pairs of users with
such a history are answered from it; all others, and where the history has no answer, as without.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import SparkSession

from recspark.arrays.ids import Ids, from_arrow, is_text, to_column
from recspark.arrays.lookup import Lookup
from recspark.cluster.arrow_blocks import Block, partition_rows
from recspark.cluster.shuffle import Received, group, shuffle
from recspark.cluster.tasks import PartFile, broadcast, spread
from recspark.config import Config
from recspark.contract import columns as c
from recspark.datasets.prepared import PreparedFacts
from recspark.files import storage
from recspark.files.parquet import RowGroup
from recspark.ingest.inputs import Inputs
from recspark.prepare.rows import plan_blocks, read_block
from recspark.recommend.histories import HistorySource
from recspark.recommend.history_files import stage_histories
from recspark.scoring.fold_in import open_history_model
from recspark.scoring.pair_files import PAIRS, Planned, read_pairs
from recspark.scoring.predict import Scoring, score_pairs
from recspark.scoring.request import PART_ROWS, write_answers

_STAGED = "_histories"
"""Folder of the staged ratings, in the staging folder of the answers."""
_NO_PAIR = -1
"""Position of the rows of histories."""
_ANSWERED = (*PAIRS, c.PREDICTION, c.PREDICTION_STD, c.FALLBACK, c.FOLDED_IN)


@dataclass(frozen=True)
class NewPairJob:
    """What the tasks need; broadcast to them."""

    scoring: Scoring
    source: HistorySource
    users_are_text: bool
    """Whether raw user ids are text in the request or in the files."""
    movies_are_text: bool
    """Whether raw movie ids are text in the request."""
    num_files: int
    """Files of answers."""

    @property
    def schema(self) -> pa.Schema:
        """Of what is sent to the tasks of the users."""
        kinds = {True: pa.string(), False: pa.int64()}
        return pa.schema(
            [
                (c.POSITION, pa.int64()),
                (c.USER_ID, kinds[self.users_are_text]),
                (c.MOVIE_ID, kinds[self.movies_are_text]),
                (c.USER_INDEX, pa.int32()),
                (c.MOVIE_INDEX, pa.int32()),
                (c.RATING, pa.float32()),
                (c.RATED_AT, pa.int32()),
            ]
        )


def score_from_histories(
    spark: SparkSession,
    config: Config,
    inputs: Inputs,
    facts: PreparedFacts,
    pieces: list[Planned],
    scoring: Scoring,
    *,
    user_ids: Ids,
    movie_ids: Ids,
    root: str,
) -> list[PartFile]:
    """Write `scored_pairs` with `folded_in`, one row per requested pair, in the request's order.

    Args:
        spark: The session.
        config: The run's config.
        inputs: The files of histories.
        facts: Of the run's train.
        pieces: The request, from `plan_pieces`, with at least one pair.
        scoring: The models; the first one answers for unknown users.
        user_ids: Raw id of each user_index.
        movie_ids: Raw id of each movie_index.
        root: Staging folder.

    Raises:
        DataError: As `stage_histories`; or a pair was lost or duplicated.
    """
    kinds, staged = (is_text(user_ids), is_text(movie_ids)), posixpath.join(root, _STAGED)
    rows = stage_histories(spark, config, inputs, facts, kinds, staged)
    num_pairs = sum(one.num_pairs for one in pieces)
    job = NewPairJob(
        scoring=scoring,
        source=HistorySource.of(
            config, facts, rows.num_ratings, user_ids=user_ids, movie_ids=movie_ids
        ),
        users_are_text=pieces[0].kinds[0] or rows.types.are_text[0],
        movies_are_text=pieces[0].kinds[1],
        num_files=-(-num_pairs // PART_ROWS),
    )
    plan = plan_blocks(rows.folder)
    with broadcast(spark.sparkContext, job) as shared:

        def score(parts: Iterable[Received]) -> Iterator[Block]:
            for part, batches in parts:
                yield from _score(shared.value, part, list(batches))

        def write(part: int, batches: Iterator[pa.RecordBatch]) -> PartFile:
            return write_answers(part, batches, num_pairs, PART_ROWS, root)

        histories = spread(spark, plan, len(plan)).mapPartitions(
            lambda blocks: _send_histories(blocks, shared.value)
        )
        pairs = spread(spark, pieces, len(pieces)).mapPartitions(
            lambda planned: _send_pairs(planned, shared.value)
        )
        sent = group(spark, histories.union(pairs), job.source.num_parts, root)
        written = shuffle(spark, sent.mapPartitions(score), job.num_files, write, root)
    storage.remove(staged)
    return written


def _send_histories(blocks: Iterable[list[RowGroup]], job: NewPairJob) -> Iterator[Block]:
    for groups in blocks:
        rows = read_block(groups)
        size = len(rows)
        position, movies = np.full(size, _NO_PAIR), pa.nulls(size)
        indexes = job.source.users.find(rows.users), job.source.movies.find(rows.movies)
        yield from _send(
            job, [position, to_column(rows.users), movies, *indexes, rows.ratings, rows.times]
        )


def _send_pairs(pieces: Iterable[Planned], job: NewPairJob) -> Iterator[Block]:
    for piece in pieces:
        pairs = read_pairs(piece)
        ids = to_column(pairs.users), to_column(pairs.movies)
        indexes = job.source.users.find(pairs.users), job.source.movies.find(pairs.movies)
        position = np.arange(piece.first, piece.first + len(pairs.users))
        unrated = np.zeros(len(position), np.float32)
        yield from _send(job, [position, *ids, *indexes, unrated, pairs.times])


def _send(job: NewPairJob, columns: list[Any]) -> Iterator[Block]:
    """Yield rows in blocks for the tasks of their users; columns as in the schema of the job."""
    arrays = [
        (one if isinstance(one, pa.Array) else pa.array(one)).cast(field.type)
        for one, field in zip(columns, job.schema, strict=True)
    ]
    batch = pa.RecordBatch.from_arrays(arrays, schema=job.schema)
    ids, users = (batch.column(name) for name in (c.USER_ID, c.USER_INDEX))
    parts = job.source.choose_parts(from_arrow(ids), users.to_numpy())
    yield from partition_rows(batch, parts, job.source.num_parts)


def _score(job: NewPairJob, part: int, batches: Sequence[pa.RecordBatch]) -> Iterator[Block]:
    """Yield the answers to the pairs of one task, in blocks for the files of their positions."""
    table = pa.Table.from_batches(batches, schema=job.schema)
    is_pair = pc.not_equal(table.column(c.POSITION), _NO_PAIR)
    known = job.source.merge(part, table.filter(pc.invert(is_pair)))
    pairs = table.filter(is_pair).combine_chunks()
    if not pairs.num_rows:
        return
    users, movies, times, position = (
        pairs.column(name).to_numpy()
        for name in (c.USER_INDEX, c.MOVIE_INDEX, c.RATED_AT, c.POSITION)
    )
    place = Lookup.of(known.ids).find(from_arrow(pairs.column(c.USER_ID)))
    asked = np.flatnonzero((place >= 0) & (movies >= 0))
    folded = np.full(len(place), np.nan, np.float32)
    model = open_history_model(job.scoring.model)
    folded[asked] = model.score_pairs(known.histories, place[asked], movies[asked])
    is_folded = ~np.isnan(folded)
    others = score_pairs(job.scoring, users, movies, times)
    clipped = pa.array(np.clip(folded, job.scoring.lowest, job.scoring.highest))
    answers = [
        pc.if_else(is_folded, clipped, others.prediction),
        pc.if_else(is_folded, pa.scalar(None, pa.float32()), others.std),
        pc.if_else(is_folded, pa.scalar(None, pa.string()), others.fallback),
        pa.array(is_folded),
    ]
    raw = [pairs.column(name).combine_chunks() for name in PAIRS]
    batch = pa.RecordBatch.from_arrays([*raw, *answers], list(_ANSWERED))
    yield from partition_rows(batch, position // PART_ROWS, job.num_files)
