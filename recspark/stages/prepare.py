"""The prepare job: ratings → user and movie index, train, valid and test in user buckets."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark import RDD, Broadcast
from pyspark.sql import SparkSession

from recspark.arrays.lookup import Lookup
from recspark.arrays.ratings import pair_keys
from recspark.cluster.shuffle import shuffle
from recspark.cluster.tasks import broadcast, commit_parts, spread, sums_of
from recspark.config import Config, PrepareConfig
from recspark.contract import columns as c
from recspark.contract import schemas
from recspark.contract.catalog import PROBE, RATINGS
from recspark.contract.paths import RunPaths
from recspark.contract.schemas import Schema
from recspark.datasets.manifest import require_manifest
from recspark.datasets.prepared import PreparedFacts
from recspark.datasets.step import Step
from recspark.errors import DataError, describe
from recspark.files import parquet, storage
from recspark.prepare.buckets import Layout, Written, partition, write_bucket
from recspark.prepare.counts import RatingCounts, count_ratings
from recspark.prepare.index import make_indexer, order_ids
from recspark.prepare.pairs import read_pairs
from recspark.prepare.rating_filter import filter_ratings
from recspark.prepare.rows import RowGroup, plan_blocks, read_block
from recspark.prepare.split import SPLITS, LastSplit, PairsSplit, RandomSplit, Split, TimeSplit

logger = logging.getLogger(__name__)


def run(config: Config, spark: SparkSession) -> None:
    """Write the index tables, the saved StringIndexerModels and the three splits.

    Raises:
        DataError: `ratings` is missing, the pairs file is unusable, nothing is left after the
            filters, train or test came out empty, or rows were lost.
    """
    paths, settings = RunPaths(config.root), config.prepare
    source = require_manifest(paths.ratings, RATINGS)
    inputs = {"ratings": source.id}
    files = storage.list_files(settings.pairs) if settings.pairs else []
    if settings.split == "probe":
        inputs["probe"] = require_manifest(paths.probe, PROBE).id
    outputs = [path for path, _ in (*_index_outputs(paths), *_split_outputs(paths))]
    step = Step(
        stage="prepare",
        settings={**asdict(settings), "seed": config.seed},
        inputs=inputs,
        outputs=outputs,
        force=config.force,
        root=paths.root,
        reads=[paths.ratings, paths.probe],
        files=files,
    )
    if step.is_done():
        return
    with step:
        pairs = _held_out_pairs(spark, paths, settings)
        plan = plan_blocks(paths.ratings)
        blocks = spread(spark, plan, len(plan))
        kept = filter_ratings(
            lambda rating_filter: count_ratings(blocks, rating_filter), settings, config.seed
        )
        users = order_ids(kept.users, kept.user_counts)
        movies = order_ids(kept.movies, kept.movie_counts)
        layout = Layout(
            user_ids=users[c.ID].to_numpy(),
            movie_ids=movies[c.ID].to_numpy(),
            split=_make_split(config, kept, pairs),
            seed=config.seed,
        )
        with ThreadPoolExecutor(1) as beside:  # the driver's own work, while tasks write the splits
            indexed = beside.submit(_stage_indexes, spark, step, paths, users, movies)
            with broadcast(spark.sparkContext, layout) as shared:
                written = _write_splits(spark, step, paths, blocks, shared, settings.num_buckets)
            indexed.result()
        counts = _count(kept, written, layout, settings)
        if pairs is not None:
            # Held-out pairs that nobody rated, or whose user or movie was filtered out.
            counts["pairs_unmatched"] = len(pairs) - counts["test"]
        _check_counts(counts, num_ratings=source.num_rows, num_kept=kept.num_ratings)
        splits = _split_outputs(paths)
        published = step.publish_all(
            [
                *((path, schema, None) for path, schema in _index_outputs(paths)),
                *((path, schema, counts) for path, schema in splits),
            ],
            sums_of(file for part in written for file in part.files.values()),
        )
        for manifest, (_, schema) in zip(published[-len(splits) :], splits, strict=True):
            if manifest.num_rows != counts[schema.name]:
                raise DataError(_lost(schema.name, manifest.num_rows, counts[schema.name]))


def _index_outputs(paths: RunPaths) -> list[tuple[str, Schema | None]]:
    return [
        (paths.user_index, schemas.USER_INDEX),
        (paths.movie_index, schemas.MOVIE_INDEX),
        (paths.user_indexer, None),
        (paths.movie_indexer, None),
    ]


def _split_outputs(paths: RunPaths) -> list[tuple[str, Schema]]:
    return [
        (paths.train, schemas.TRAIN),
        (paths.valid, schemas.VALID),
        (paths.test, schemas.TEST),
    ]


def _stage_indexes(
    spark: SparkSession, step: Step, paths: RunPaths, users: pd.DataFrame, movies: pd.DataFrame
) -> None:
    """Stage the index tables and their StringIndexerModels."""
    for table, schema, path, indexer in (
        (users, schemas.USER_INDEX, paths.user_index, paths.user_indexer),
        (movies, schemas.MOVIE_INDEX, paths.movie_index, paths.movie_indexer),
    ):
        parquet.write_table(pa.Table.from_pandas(table), step.staging(path), schema)
        make_indexer(spark, table).write().save(step.staging(indexer))


def _held_out_pairs(
    spark: SparkSession, paths: RunPaths, settings: PrepareConfig
) -> pd.DataFrame | None:
    """Return the distinct pairs that test is made of, None if no list names them."""
    if settings.pairs is not None:
        return read_pairs(settings.pairs).drop_duplicates()
    if settings.split == "probe":
        probe = parquet.read_dataset(spark, paths.probe, schemas.PROBE)
        return probe.select(c.USER_ID, c.MOVIE_ID).distinct().toPandas()
    return None


def _make_split(config: Config, kept: RatingCounts, pairs: pd.DataFrame | None) -> Split:
    settings = config.prepare
    if pairs is not None:
        keys = np.sort(pair_keys(pairs[c.USER_ID].to_numpy(), pairs[c.MOVIE_ID].to_numpy()))
        return PairsSplit(keys, settings.valid_fraction, config.seed)
    if settings.split == "time":
        return TimeSplit.of(
            kept.days,
            kept.day_counts,
            test_fraction=settings.test_fraction,
            valid_fraction=settings.valid_fraction,
            test_from=_days_since_1970(settings.cut_date) if settings.cut_date else None,
        )
    if settings.split == "last":
        return LastSplit(settings.num_last, settings.valid_fraction > 0, config.seed)
    return RandomSplit(settings.test_fraction, settings.valid_fraction, config.seed)


def _days_since_1970(day: str) -> int:
    return (date.fromisoformat(day) - date(1970, 1, 1)).days


def _write_splits(
    spark: SparkSession,
    step: Step,
    paths: RunPaths,
    blocks: RDD[list[RowGroup]],
    shared: Broadcast[Layout],
    num_buckets: int,
) -> list[Written]:
    """Stage train, valid and test; return what each bucket's task wrote."""
    folders = {schema.name: step.staging(path) for path, schema in _split_outputs(paths)}

    def partition_blocks(items: Iterable[list[RowGroup]]) -> Iterator[tuple[int, bytes]]:
        users, movies = Lookup.of(shared.value.user_ids), Lookup.of(shared.value.movie_ids)
        for groups in items:
            yield from partition(read_block(groups), users, movies, num_buckets)

    def write(bucket: int, received: Iterator[bytes]) -> Written:
        return write_bucket(bucket, received, shared.value, folders)

    partitioned = blocks.mapPartitions(partition_blocks)
    written = shuffle(spark, partitioned, num_buckets, write, folders["train"])
    for name, folder in folders.items():
        storage.make_folder(folder)
        commit_parts((one.files[name] for one in written if name in one.files), folder)
    return written


def _count(
    kept: RatingCounts, written: list[Written], layout: Layout, settings: PrepareConfig
) -> dict[str, Any]:
    """Return what the manifests of the splits record besides their rows."""
    rows = {name: sum(one.num_rows(name) for one in written) for name in SPLITS}
    mean = sum(one.rating_sum for one in written) / max(rows["train"], 1)
    squares = sum(one.rating_squares for one in written) / max(rows["train"], 1)
    facts = PreparedFacts(
        num_users=len(layout.user_ids),
        num_movies=len(layout.movie_ids),
        num_buckets=settings.num_buckets,
        rating_min=min(one.rating_min for one in written),
        rating_max=max(one.rating_max for one in written),
        rating_mean=mean,
        rating_std=max(squares - mean * mean, 0.0) ** 0.5,
        rating_values=tuple(sorted({value for one in written for value in one.rating_values})),
    )
    return {
        "ratings": kept.num_read,
        **rows,
        "filtered": kept.num_read - kept.num_ratings,
        **facts.to_counts(),
    }


def _check_counts(counts: dict[str, Any], *, num_ratings: int, num_kept: int) -> None:
    """Log the balance; refuse a run that lost rows or left train or test empty."""
    logger.info(
        "prepare: %s ratings = %s train + %s valid + %s test + %s filtered",
        *(f"{counts[name]:,}" for name in ("ratings", *SPLITS, "filtered")),
    )
    if counts["ratings"] != num_ratings:
        raise DataError(_lost("ratings", counts["ratings"], num_ratings))
    if sum(counts[name] for name in SPLITS) != num_kept:
        raise DataError(_lost("splits", sum(counts[name] for name in SPLITS), num_kept))
    for name in ("train", "test"):
        if counts[name] == 0:
            raise DataError(
                describe(
                    f"prepare ({name})",
                    found=f"no ratings ({counts['filtered']:,} of {counts['ratings']:,} filtered)",
                    expected="at least one",
                    remedy="Change prepare.split and its settings, or lower the minimums.",
                )
            )


def _lost(name: str, found: int, expected: int) -> str:
    return describe(
        f"prepare ({name})",
        found=f"{found:,} rows",
        expected=f"{expected:,}",
        remedy="Run with --force. If that fails, report it: recspark must not lose rows.",
    )
