"""The prepare job: ratings → user and movie index, train, valid and test in user buckets."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from pyspark import RDD
from pyspark.sql import SparkSession

from recspark import columns as c
from recspark import schemas, storage
from recspark.config import Config, PrepareConfig
from recspark.errors import DataError, describe
from recspark.manifest import Step, require_manifest
from recspark.paths import RunPaths
from recspark.prepare.buckets import Written, deal, write_bucket
from recspark.prepare.index import make_indexer, order_ids
from recspark.prepare.lookup import Lookup
from recspark.prepare.pairs import read_pairs
from recspark.prepare.rows import Keep, Ratings, RowGroup, plan_blocks, read_block
from recspark.prepare.split import SPLITS, Codes, PairsSplit, RandomSplit, pair_keys
from recspark.prepare.tally import Tally, tally_ratings
from recspark.schemas import Schema
from recspark.tasks import commit_parts, exchange, spread

logger = logging.getLogger(__name__)


def run(config: Config, spark: SparkSession) -> None:
    """Write the index tables, the saved StringIndexerModels and the three splits.

    Raises:
        DataError: `ratings` is missing, the pairs file is unusable, nothing is left after the
            filters, train or test came out empty, or rows were lost.
    """
    paths, settings = RunPaths(config.root), config.prepare
    source = require_manifest(paths.ratings, "ingest")
    inputs = {"ratings": source.id}
    if settings.pairs:
        files = storage.list_files(settings.pairs)
        inputs["pairs"] = ", ".join(f"{file.path} {file.size}@{file.modified}" for file in files)
    outputs = [path for path, _ in (*_index_outputs(paths), *_split_outputs(paths))]
    step = Step("prepare", {**asdict(settings), "seed": config.seed}, inputs, outputs, config.force)
    if step.is_done():
        return
    with step:
        pairs = read_pairs(settings.pairs).drop_duplicates() if settings.pairs else None
        plan = plan_blocks(paths.ratings)
        blocks = spread(spark, plan, len(plan))
        tally = tally_ratings(blocks, Keep())
        user_table, movie_table = _order_kept(tally, settings)
        users = _stage_index(
            step, user_table, schemas.USER_INDEX, paths.user_index, paths.user_indexer
        )
        movies = _stage_index(
            step, movie_table, schemas.MOVIE_INDEX, paths.movie_index, paths.movie_indexer
        )
        split = _make_split(config, pairs)
        written = _write_splits(step, paths, blocks, users, movies, split, config)
        counts = _count(tally, written, users, movies, settings)
        if pairs is not None:
            # Held-out pairs that nobody rated, or whose user or movie was filtered out.
            counts["pairs_unmatched"] = len(pairs) - counts["test"]
        filters = max(settings.min_ratings_per_user, settings.min_ratings_per_movie) > 1
        _check_counts(counts, num_ratings=source.num_rows, filters=filters)
        for path, schema in _index_outputs(paths):
            step.publish(path, schema)
        for path, schema in _split_outputs(paths):
            manifest = step.publish(path, schema, counts)
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


def _order_kept(tally: Tally, settings: PrepareConfig) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the index tables of the users and of the movies that the thresholds keep."""
    tables = []
    for what, ids, counts, minimum in (
        ("user", tally.users, tally.user_counts, settings.min_ratings_per_user),
        ("movie", tally.movies, tally.movie_counts, settings.min_ratings_per_movie),
    ):
        stays = counts >= minimum
        if not stays.any():
            raise DataError(
                describe(
                    "prepare",
                    found=f"no {what}s with {minimum} or more ratings",
                    expected="some",
                    remedy=f"Lower prepare.min_ratings_per_{what}.",
                )
            )
        tables.append(order_ids(ids[stays], counts[stays]))
    return tables[0], tables[1]


def _stage_index(
    step: Step, table: pd.DataFrame, schema: Schema, path: str, indexer_path: str
) -> Lookup:
    """Stage one index table and its StringIndexerModel; return the lookup of the ids."""
    frame = SparkSession.active().createDataFrame(table).coalesce(1)
    storage.write_dataset(frame, step.staging(path), schema)
    make_indexer(table).write().save(step.staging(indexer_path))
    return Lookup.of(table[c.ID].to_numpy())


def _make_split(config: Config, pairs: pd.DataFrame | None) -> Callable[[Ratings], Codes]:
    settings = config.prepare
    if pairs is None:
        return RandomSplit(settings.test_fraction, settings.valid_fraction, config.seed)
    keys = np.sort(pair_keys(pairs[c.USER_ID].to_numpy(), pairs[c.MOVIE_ID].to_numpy()))
    return PairsSplit(keys, settings.valid_fraction, config.seed)


def _write_splits(
    step: Step,
    paths: RunPaths,
    blocks: RDD[list[RowGroup]],
    users: Lookup,
    movies: Lookup,
    split: Callable[[Ratings], Codes],
    config: Config,
) -> list[Written]:
    """Stage train, valid and test; return what each bucket's task wrote."""
    num_buckets, seed = config.prepare.num_buckets, config.seed
    shared = blocks.context.broadcast((users, movies, split))
    folders = {s.name: step.staging(path) for path, s in _split_outputs(paths)}

    def deal_block(groups: list[RowGroup]) -> Iterator[tuple[int, bytes]]:
        return deal(read_block(groups), *shared.value, num_buckets)

    def write(bucket: int, received: Iterator[bytes]) -> Written:
        return write_bucket(bucket, received, folders, seed)

    written = exchange(blocks.flatMap(deal_block), num_buckets, write)
    for name, folder in folders.items():
        storage.make_folder(folder)
        commit_parts((one.files[name] for one in written if name in one.files), folder)
    return written


def _count(
    tally: Tally, written: list[Written], users: Lookup, movies: Lookup, settings: PrepareConfig
) -> dict[str, Any]:
    """Return what the manifests of the splits tell beside their rows."""
    rows = {name: sum(one.num_rows(name) for one in written) for name in SPLITS}
    return {
        "ratings": tally.num_ratings,
        **rows,
        "filtered": tally.num_ratings - sum(rows.values()),
        "num_users": len(users.ids),
        "num_movies": len(movies.ids),
        "num_buckets": settings.num_buckets,
        "rating_min": min(one.rating_min for one in written),
        "rating_max": max(one.rating_max for one in written),
        "rating_mean": sum(one.rating_sum for one in written) / max(rows["train"], 1),
    }


def _check_counts(counts: dict[str, Any], *, num_ratings: int, filters: bool) -> None:
    """Log the balance; refuse a run that lost rows or left train or test empty."""
    logger.info(
        "prepare: %s ratings = %s train + %s valid + %s test + %s filtered",
        *(f"{counts[name]:,}" for name in ("ratings", *SPLITS, "filtered")),
    )
    if counts["ratings"] != num_ratings:
        raise DataError(_lost("ratings", counts["ratings"], num_ratings))
    if counts["filtered"] != 0 and not filters:
        raise DataError(_lost("splits", num_ratings - counts["filtered"], num_ratings))
    for name in ("train", "test"):
        if counts[name] == 0:
            raise DataError(
                describe(
                    f"prepare ({name})",
                    found=f"no ratings ({counts['filtered']:,} of {counts['ratings']:,} filtered)",
                    expected="some",
                    remedy="Change prepare.split and what belongs to it, or lower the thresholds.",
                )
            )


def _lost(name: str, found: int, expected: int) -> str:
    return describe(
        f"prepare ({name})",
        found=f"{found:,} rows",
        expected=f"{expected:,}",
        remedy="Run with --force; if it stays, report it: recspark must not lose rows.",
    )
