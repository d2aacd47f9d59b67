"""The prepare job: ratings → user and movie index, train, valid and test in user buckets."""

from __future__ import annotations

import logging
import posixpath
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from recspark import columns as c
from recspark import schemas, storage
from recspark.config import Config, PrepareConfig
from recspark.errors import DataError, describe
from recspark.manifest import Step, require_manifest
from recspark.paths import RunPaths
from recspark.prepare import split
from recspark.prepare.buckets import shuffle_into_buckets, to_split_columns
from recspark.prepare.index import attach_index, count_ratings, fit_indexer, index_table
from recspark.prepare.pairs import read_pairs

logger = logging.getLogger(__name__)


def run(config: Config, spark: SparkSession) -> None:
    """Write the index tables, the saved StringIndexerModels and the three splits.

    Raises:
        DataError: `ratings` is missing, the pairs file is unusable, train or test came out empty,
            or rows were lost.
    """
    paths, settings = RunPaths(config.root), config.prepare
    source = require_manifest(paths.ratings, "ingest")
    inputs = {"ratings": source.id}
    if settings.pairs:
        inputs["pairs"] = ", ".join(
            f"{file.path} {file.size}@{file.modified}"
            for file in storage.list_files(settings.pairs)
        )
    outputs = (
        *(paths.user_index, paths.user_indexer, paths.movie_index, paths.movie_indexer),
        *(paths.train, paths.valid, paths.test),
    )
    step = Step("prepare", {**asdict(settings), "seed": config.seed}, inputs, outputs, config.force)
    if step.is_done():
        return
    with step:
        ratings = storage.read_dataset(spark, paths.ratings, schemas.RATINGS)
        users = _write_index(step, ratings, c.USER_ID, settings.min_ratings_per_user, _users(paths))
        movies = _write_index(
            step, ratings, c.MOVIE_ID, settings.min_ratings_per_movie, _movies(paths)
        )
        sizes = {"num_users": users.count(), "num_movies": movies.count()}
        _refuse_empty(sizes, settings)
        pairs = read_pairs(settings.pairs).drop_duplicates() if settings.pairs else None
        counts = {**sizes, **_write_splits(step, ratings, users, movies, pairs, config)}
        _check_counts(counts, num_ratings=source.num_rows)
        _publish(step, paths, counts)


@dataclass(frozen=True)
class _IndexOutput:
    """Where one index goes."""

    table: str
    indexer: str
    schema: schemas.Schema


def _users(paths: RunPaths) -> _IndexOutput:
    return _IndexOutput(paths.user_index, paths.user_indexer, schemas.USER_INDEX)


def _movies(paths: RunPaths) -> _IndexOutput:
    return _IndexOutput(paths.movie_index, paths.movie_indexer, schemas.MOVIE_INDEX)


def _write_index(
    step: Step, ratings: DataFrame, column: str, min_ratings: int, output: _IndexOutput
) -> DataFrame:
    """Stage an index table and its StringIndexerModel; return the table as read back."""
    counts = count_ratings(ratings, column).cache()
    indexer = fit_indexer(counts, min_ratings)
    staged = step.staging(output.table)
    storage.write_dataset(index_table(counts, indexer), staged, output.schema)
    indexer.write().save(step.staging(output.indexer))
    counts.unpersist()
    return storage.read_dataset(ratings.sparkSession, staged, output.schema)


def _publish(step: Step, paths: RunPaths, counts: dict[str, Any]) -> None:
    """Move everything into place, only once all of it is written."""
    for output in (_users(paths), _movies(paths)):
        step.publish(output.table, output.schema)
        step.publish(output.indexer, None)
    for path, schema in (
        (paths.train, schemas.TRAIN),
        (paths.valid, schemas.VALID),
        (paths.test, schemas.TEST),
    ):
        manifest = step.publish(path, schema, counts)
        if manifest.num_rows != counts[schema.name]:
            raise DataError(_lost(schema.name, manifest.num_rows, counts[schema.name]))


def _write_splits(
    step: Step,
    ratings: DataFrame,
    users: DataFrame,
    movies: DataFrame,
    pairs: pd.DataFrame | None,
    config: Config,
) -> dict[str, Any]:
    """Write train, valid and test to their staging paths in one pass; return what was counted."""
    read, kept = Observation("read"), Observation("kept")
    observed = ratings.observe(read, F.count(F.lit(1)).alias("ratings"))
    indexed = attach_index(observed, users, c.USER_ID, c.USER_INDEX)
    indexed = attach_index(indexed, movies, c.MOVIE_ID, c.MOVIE_INDEX)
    num_buckets = config.prepare.num_buckets
    rows = to_split_columns(_split(indexed, pairs, config), num_buckets)
    in_train = F.when(F.col(split.SPLIT) == split.TRAIN, F.col(c.RATING))
    rows = rows.observe(
        kept,
        *(F.count(F.when(F.col(split.SPLIT) == name, 1)).alias(name) for name in _SPLITS),
        F.min(in_train).alias("rating_min"),
        F.max(in_train).alias("rating_max"),
        F.avg(in_train).alias("rating_mean"),
    )
    paths = RunPaths(config.root)
    together = posixpath.join(step.staging(paths.train), "together")
    (
        shuffle_into_buckets(rows, num_buckets, config.seed)
        .write.partitionBy(split.SPLIT, c.BUCKET)
        .parquet(together)
    )
    for name, output in zip(_SPLITS, (paths.train, paths.valid, paths.test), strict=True):
        _take_split(together, name, step.staging(output))
    storage.remove(together)
    counts = {**read.get, **kept.get, "num_buckets": num_buckets}
    if pairs is not None:
        # Held-out pairs that nobody rated, or whose user or movie was filtered out.
        counts["pairs_unmatched"] = len(pairs) - counts[split.TEST]
    return counts


_SPLITS = (split.TRAIN, split.VALID, split.TEST)


def _take_split(together: str, name: str, target: str) -> None:
    """Move one split's bucket folders out of the common write; there may be none."""
    storage.make_folder(target)
    for folder in storage.list_folders(posixpath.join(together, f"{split.SPLIT}={name}")):
        storage.move(folder, posixpath.join(target, posixpath.basename(folder)))


def _split(ratings: DataFrame, pairs: pd.DataFrame | None, config: Config) -> DataFrame:
    settings = config.prepare
    if pairs is None:
        return split.split_random(
            ratings,
            test_fraction=settings.test_fraction,
            valid_fraction=settings.valid_fraction,
            seed=config.seed,
        )
    held_out = ratings.sparkSession.createDataFrame(pairs)
    return split.split_pairs(
        ratings, held_out, valid_fraction=settings.valid_fraction, seed=config.seed
    )


def _refuse_empty(sizes: dict[str, int], settings: PrepareConfig) -> None:
    for name, minimum in (
        ("num_users", settings.min_ratings_per_user),
        ("num_movies", settings.min_ratings_per_movie),
    ):
        if sizes[name] == 0:
            what = name.removeprefix("num_")
            raise DataError(
                describe(
                    "prepare",
                    found=f"no {what} with {minimum} or more ratings",
                    expected="some",
                    remedy=f"Lower prepare.min_ratings_per_{what.removesuffix('s')}.",
                )
            )


def _check_counts(counts: dict[str, Any], *, num_ratings: int) -> None:
    """Add `filtered`, log the balance and refuse a split that lost rows or left one side empty."""
    kept = sum(counts[name] for name in _SPLITS)
    counts["filtered"] = counts["ratings"] - kept
    if counts["ratings"] != num_ratings:
        raise DataError(_lost("ratings", counts["ratings"], num_ratings))
    logger.info(
        "prepare: %s ratings = %s train + %s valid + %s test + %s filtered",
        *(f"{counts[name]:,}" for name in ("ratings", *_SPLITS, "filtered")),
    )
    for name in (split.TRAIN, split.TEST):
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
