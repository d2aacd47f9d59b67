"""Indexes, filters and splits the ratings of a folder, and stages what comes out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pyarrow as pa
from pyspark import RDD, Broadcast
from pyspark.sql import SparkSession

from recspark.arrays.lookup import Lookup
from recspark.arrays.ratings import SECONDS_A_DAY
from recspark.cluster.arrow_blocks import Block
from recspark.cluster.shuffle import shuffle
from recspark.cluster.tasks import broadcast, commit_parts, spread
from recspark.config import Config
from recspark.contract import schemas
from recspark.contract.schemas import IdTypes
from recspark.files import parquet, storage
from recspark.files.parquet import RowGroup
from recspark.prepare.buckets import (
    Layout,
    Written,
    choose_num_buckets,
    partition,
    write_bucket,
)
from recspark.prepare.counts import RatingCounts, count_ratings, count_seconds
from recspark.prepare.held_out import HeldOutPairs
from recspark.prepare.index import ids_of, order_ids, save_indexer
from recspark.prepare.rating_filter import filter_ratings
from recspark.prepare.rows import RatingFilter, plan_blocks, read_block
from recspark.prepare.split import (
    HeldOutUsersSplit,
    LastSplit,
    PairsSplit,
    RandomSplit,
    Split,
    UserShareSplit,
    UsersSplit,
)
from recspark.prepare.time_cut import cut_by_time


@dataclass(frozen=True)
class Folders:
    """Staging folders.

    Attributes:
        splits: By name of the split.
        user_index: That of the users' index table.
        movie_index: That of the movies' index table.
        user_indexer: That of the users' StringIndexerModel.
        movie_indexer: That of the movies' StringIndexerModel.
    """

    splits: Mapping[str, str]
    user_index: str
    movie_index: str
    user_indexer: str
    movie_indexer: str

    def clear(self) -> None:
        """Remove what is in them."""
        indexes = (self.user_index, self.movie_index, self.user_indexer, self.movie_indexer)
        for folder in (*self.splits.values(), *indexes):
            storage.remove(folder)


@dataclass(frozen=True)
class Made:
    """Splits that were written, and what is known of them."""

    layout: Layout
    num_buckets: int
    written: list[Written]
    num_read: int
    """Ratings before the filters."""
    num_kept: int
    """Ratings after the filters, repeats included."""

    @property
    def num_repeats(self) -> int:
        return sum(one.num_repeats for one in self.written)

    def num_rows(self, split: str) -> int:
        return sum(one.num_rows(split) for one in self.written)


def make_splits(
    spark: SparkSession,
    config: Config,
    ratings: str,
    *,
    num_ratings: int,
    types: IdTypes,
    folders: Folders,
    pairs: HeldOutPairs | None,
) -> Made:
    """Stage the index tables and the splits of the ratings in a folder.

    Args:
        spark: The session.
        config: The run's settings.
        ratings: Folder of ratings.
        num_ratings: About how many there are.
        types: Types of the ids.
        folders: Where to write; what is there is removed.
        pairs: The held-out pairs that test is made of, if that is the split.
    """
    settings = config.prepare
    folders.clear()
    plan = plan_blocks(ratings)
    blocks = spread(spark, plan, len(plan))
    scratch = folders.splits["train"]

    def count(rating_filter: RatingFilter) -> RatingCounts:
        return count_ratings(spark, blocks, rating_filter, num_rows=num_ratings, root=scratch)

    kept, rating_filter = filter_ratings(count, settings, config.seed)
    users = order_ids(kept.users, kept.user_counts)
    movies = order_ids(kept.movies, kept.movie_counts)
    lookups = Lookup.of(ids_of(users)), Lookup.of(ids_of(movies))
    if pairs is not None:
        pairs.find(*lookups)
    layout = Layout(
        *lookups,
        split=_choose_split(config, kept, pairs, blocks, rating_filter),
        duplicates=settings.duplicates,
        seed=config.seed,
        lowest=-np.inf if settings.min_rating is None else settings.min_rating,
    )
    num_buckets = settings.num_buckets or choose_num_buckets(kept.num_ratings)
    made = Made(layout, num_buckets, [], kept.num_read, kept.num_ratings)
    del kept, rating_filter  # as large as the index tables
    with broadcast(spark.sparkContext, layout) as shared, ThreadPoolExecutor(1) as beside:
        # The driver's own work, while tasks write the splits.
        indexed = beside.submit(_stage_indexes, spark, folders, types, users, movies)
        del users, movies
        written = _write_splits(spark, blocks, shared, num_buckets, folders.splits)
        indexed.result()
    return replace(made, written=written)


def _stage_indexes(
    spark: SparkSession, folders: Folders, types: IdTypes, users: pa.Table, movies: pa.Table
) -> None:
    """Stage the index tables and their StringIndexerModels."""
    for table, schema, path, indexer in (
        (users, schemas.USER_INDEX, folders.user_index, folders.user_indexer),
        (movies, schemas.MOVIE_INDEX, folders.movie_index, folders.movie_indexer),
    ):
        parquet.write_table(table, path, schema.with_ids(types))
        save_indexer(spark, table, indexer)


def _choose_split(
    config: Config,
    kept: RatingCounts,
    pairs: HeldOutPairs | None,
    blocks: RDD[list[RowGroup]],
    rating_filter: RatingFilter,
) -> Split:
    settings, seed = config.prepare, config.seed
    shares = settings.test_fraction, settings.valid_fraction
    if pairs is not None:
        return PairsSplit(pairs.keys, settings.valid_fraction, seed)
    if settings.split == "time":
        return cut_by_time(
            kept.days,
            kept.day_counts,
            lambda day: count_seconds(blocks, rating_filter, day),
            test_fraction=settings.test_fraction,
            valid_fraction=settings.valid_fraction,
            test_from=_seconds_since_1970(settings.cut_date) if settings.cut_date else None,
        )
    if settings.split == "last":
        return LastSplit(settings.num_last, settings.valid_fraction > 0, seed)
    if settings.split == "user_share":
        return UserShareSplit(*shares, seed)
    if settings.split == "held_out_users":
        return HeldOutUsersSplit(*shares, settings.fold_in_fraction, seed)
    if settings.split == "users":
        return UsersSplit(*shares, seed)
    return RandomSplit(*shares, seed)


def _seconds_since_1970(day: str) -> int:
    return (date.fromisoformat(day) - date(1970, 1, 1)).days * SECONDS_A_DAY


def _write_splits(
    spark: SparkSession,
    blocks: RDD[list[RowGroup]],
    shared: Broadcast[Layout],
    num_buckets: int,
    folders: Mapping[str, str],
) -> list[Written]:
    """Stage the splits; return what each bucket's task wrote."""

    def partition_blocks(items: Iterable[list[RowGroup]]) -> Iterator[Block]:
        for groups in items:
            yield from partition(read_block(groups), shared.value, num_buckets)

    def write(bucket: int, received: Iterator[pa.RecordBatch]) -> Written:
        return write_bucket(bucket, received, shared.value, folders)

    partitioned = blocks.mapPartitions(partition_blocks)
    written = shuffle(spark, partitioned, num_buckets, write, folders["train"])
    for name, folder in folders.items():
        storage.make_folder(folder)
        commit_parts((one.files[name] for one in written if name in one.files), folder)
    return written
