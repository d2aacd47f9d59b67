"""The prepare job: ratings → user and movie index, train, valid and test in user buckets."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

import pyarrow as pa
from pyspark import RDD, Broadcast
from pyspark.sql import SparkSession

from recspark.arrays.ids import to_list
from recspark.arrays.lookup import Lookup
from recspark.cluster.arrow_blocks import Block
from recspark.cluster.shuffle import shuffle
from recspark.cluster.tasks import broadcast, commit_parts, spread, sums_of
from recspark.config import Config, PrepareConfig
from recspark.contract import schemas
from recspark.contract.catalog import PROBE, RATINGS
from recspark.contract.paths import RunPaths
from recspark.contract.schemas import IdTypes, Schema
from recspark.datasets.manifest import Manifest, require_manifest
from recspark.datasets.prepared import PreparedFacts
from recspark.datasets.step import Step
from recspark.errors import DataError, describe
from recspark.files import parquet, storage
from recspark.files.parquet import RowGroup
from recspark.files.sums import name_content
from recspark.prepare.buckets import (
    Layout,
    Written,
    choose_num_buckets,
    partition,
    write_bucket,
)
from recspark.prepare.counts import RatingCounts, count_ratings, count_seconds
from recspark.prepare.held_out import HeldOutPairs, read_held_out_pairs
from recspark.prepare.index import ids_of, order_ids, save_indexer
from recspark.prepare.rating_filter import filter_ratings
from recspark.prepare.rows import RatingFilter, plan_blocks, read_block
from recspark.prepare.settle_ratings import settle_ratings
from recspark.prepare.split import (
    SPLITS,
    LastSplit,
    PairsSplit,
    RandomSplit,
    Split,
    UserShareSplit,
    UsersSplit,
    cut_by_time,
)

logger = logging.getLogger(__name__)

_COMBINED = ("mean", "sum", "max")


def run(config: Config, spark: SparkSession) -> None:
    """Write the index tables, the saved StringIndexerModels and the three splits.

    Raises:
        DataError: `ratings` is missing, the pairs file is unusable or does not match, nothing is
            left after the filters, train or test came out empty, ratings repeat and
            `prepare.duplicates` is refuse, or rows were lost.
    """
    paths, settings = RunPaths(config.root), config.prepare
    source = require_manifest(paths.ratings, RATINGS)
    inputs = {"ratings": source.id}
    files = storage.list_files(settings.pairs) if settings.pairs else []
    held_out = name_content(files) if files else None
    if settings.split == "probe":
        inputs["probe"] = require_manifest(paths.probe, PROBE).id
        held_out = inputs["probe"][:8]
    types = IdTypes.of(source.columns)
    outputs = [
        (path, schema.with_ids(types) if schema else None)
        for path, schema in (*_index_outputs(paths), *_split_outputs(paths))
    ]
    step = Step(
        stage="prepare",
        settings={**asdict(settings), "seed": config.seed, "held_out": held_out},
        inputs=inputs,
        outputs=[path for path, _ in outputs],
        force=config.force,
        root=paths.root,
        reads=[paths.ratings, paths.probe],
        scratch=[paths.settled],
        files=files,
        without_effect=["max_unmatched_pairs"],
    )
    if step.is_done():
        return
    with step:
        pairs = None
        if settings.split in ("pairs", "probe"):
            pairs = read_held_out_pairs(spark, paths, settings, types)
        ratings, num_repeats = paths.ratings, 0
        if settings.duplicates in _COMBINED:
            ratings, num_repeats = _settle(spark, step, paths, settings, source)
        made = _make_splits(spark, step, paths, config, ratings, source, pairs)
        if made.num_repeats and settings.duplicates == "refuse":
            raise DataError(_refusal(made))
        if made.num_repeats:
            # Counts of users and movies included repeats: start over without them.
            ratings, num_repeats = _settle(spark, step, paths, settings, source)
            made = _make_splits(spark, step, paths, config, ratings, source, pairs)
        storage.remove(step.staging(paths.settled))
        counts = _count(made, config, num_repeats, pairs)
        _check_counts(counts, settings, num_ratings=source.num_rows)
        published = step.publish_all(
            [
                (path, schema, counts if schema and schema.name in SPLITS else None)
                for path, schema in outputs
            ],
            sums_of(file for part in made.written for file in part.files.values()),
        )
        for name, manifest in zip(SPLITS, published[-len(SPLITS) :], strict=True):
            if manifest.num_rows != counts[name]:
                raise DataError(_lost(name, manifest.num_rows, counts[name]))


@dataclass(frozen=True)
class _Made:
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


def _settle(
    spark: SparkSession, step: Step, paths: RunPaths, settings: PrepareConfig, source: Manifest
) -> tuple[str, int]:
    """Write the ratings without repeats; return their folder and the number of repeats."""
    root = step.staging(paths.settled)
    plan = plan_blocks(paths.ratings)
    num_repeats = settle_ratings(
        spark,
        spread(spark, plan, len(plan)),
        settings.duplicates,
        num_rows=source.num_rows,
        root=root,
    )
    kept = {"last": "the last is kept", "first": "the first is kept"}
    logger.info(
        "prepare: %s ratings repeat an earlier one of the same user and movie: %s",
        f"{num_repeats:,}",
        kept.get(settings.duplicates, f"their {settings.duplicates} is taken"),
    )
    return root, num_repeats


def _make_splits(
    spark: SparkSession,
    step: Step,
    paths: RunPaths,
    config: Config,
    ratings: str,
    source: Manifest,
    pairs: HeldOutPairs | None,
) -> _Made:
    """Stage the index tables and the splits of the ratings in a folder."""
    settings = config.prepare
    folders = {schema.name: step.staging(path) for path, schema in _split_outputs(paths)}
    for folder in [*folders.values(), *(step.staging(path) for path, _ in _index_outputs(paths))]:
        storage.remove(folder)
    plan = plan_blocks(ratings)
    blocks = spread(spark, plan, len(plan))

    def count(rating_filter: RatingFilter) -> RatingCounts:
        return count_ratings(
            spark, blocks, rating_filter, num_rows=source.num_rows, root=folders["train"]
        )

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
    )
    num_buckets = settings.num_buckets or choose_num_buckets(kept.num_ratings)
    made = _Made(layout, num_buckets, [], kept.num_read, kept.num_ratings)
    del kept, rating_filter  # as large as the index tables
    with broadcast(spark.sparkContext, layout) as shared, ThreadPoolExecutor(1) as beside:
        # The driver's own work, while tasks write the splits.
        types = IdTypes.of(source.columns)
        indexed = beside.submit(_stage_indexes, spark, step, paths, types, users, movies)
        del users, movies
        written = _write_splits(spark, blocks, shared, num_buckets, folders)
        indexed.result()
    return replace(made, written=written)


def _stage_indexes(
    spark: SparkSession,
    step: Step,
    paths: RunPaths,
    types: IdTypes,
    users: pa.Table,
    movies: pa.Table,
) -> None:
    """Stage the index tables and their StringIndexerModels."""
    for table, schema, path, indexer in (
        (users, schemas.USER_INDEX, paths.user_index, paths.user_indexer),
        (movies, schemas.MOVIE_INDEX, paths.movie_index, paths.movie_indexer),
    ):
        parquet.write_table(table, step.staging(path), schema.with_ids(types))
        save_indexer(spark, table, step.staging(indexer))


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
    if settings.split == "users":
        return UsersSplit(*shares, seed)
    return RandomSplit(*shares, seed)


def _seconds_since_1970(day: str) -> int:
    return (date.fromisoformat(day) - date(1970, 1, 1)).days * 86_400


def _write_splits(
    spark: SparkSession,
    blocks: RDD[list[RowGroup]],
    shared: Broadcast[Layout],
    num_buckets: int,
    folders: dict[str, str],
) -> list[Written]:
    """Stage train, valid and test; return what each bucket's task wrote."""

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


def _count(
    made: _Made, config: Config, num_repeats: int, pairs: HeldOutPairs | None
) -> dict[str, Any]:
    """Return what the manifests of the splits record besides their rows."""
    written = made.written
    rows = {name: made.num_rows(name) for name in SPLITS}
    mean = sum(one.rating_sum for one in written) / max(rows["train"], 1)
    squares = sum(one.rating_squares for one in written) / max(rows["train"], 1)
    facts = PreparedFacts(
        num_users=len(made.layout.users),
        num_movies=len(made.layout.movies),
        num_buckets=made.num_buckets,
        rating_min=min(one.rating_min for one in written),
        rating_max=max(one.rating_max for one in written),
        rating_mean=mean,
        rating_std=max(squares - mean * mean, 0.0) ** 0.5,
        rating_values=tuple(sorted({value for one in written for value in one.rating_values})),
    )
    counts = {
        "ratings": made.num_read + num_repeats,
        **rows,
        "filtered": made.num_read - made.num_kept,
        "repeats": num_repeats,
        **facts.to_counts(),
    }
    if isinstance(made.layout.split, LastSplit):
        counts["ties"] = sum(one.num_ties for one in written)
        if counts["ties"]:
            logger.info(
                "prepare: %s users rated several movies in the second of the cut: a hash chose "
                "among these",
                f"{counts['ties']:,}",
            )
    if pairs is not None:
        counts["pairs_unmatched"] = pairs.check(counts["test"], config.prepare)
    return counts


def _check_counts(counts: dict[str, Any], settings: PrepareConfig, *, num_ratings: int) -> None:
    """Log the balance; refuse a run that lost rows or left train or test empty."""
    names = ("ratings", *SPLITS, "filtered", "repeats")
    logger.info(
        "prepare: %s ratings = %s train + %s valid + %s test + %s filtered + %s repeats",
        *(f"{counts[name]:,}" for name in names),
    )
    if counts["ratings"] != num_ratings:
        raise DataError(_lost("ratings", counts["ratings"], num_ratings))
    accounted = sum(counts[name] for name in names[1:])
    if accounted != num_ratings:
        raise DataError(_lost("splits", accounted, num_ratings))
    is_test_wanted = settings.test_fraction > 0 or settings.split in ("pairs", "probe", "last")
    for name in ("train", *(["test"] if is_test_wanted else [])):
        if counts[name] == 0:
            raise DataError(
                describe(
                    f"prepare ({name})",
                    found=f"no ratings ({counts['filtered']:,} of {counts['ratings']:,} filtered)",
                    expected="at least one",
                    remedy="Change prepare.split and its settings, or lower the minimums.",
                )
            )
    if settings.split == "time" and not settings.cut_date:
        _warn_of_large_parts(counts, settings)


def _warn_of_large_parts(counts: dict[str, Any], settings: PrepareConfig) -> None:
    """Log where many ratings of one second made a part more than half as large again as asked."""
    total = sum(counts[name] for name in SPLITS)
    asked = {"test": settings.test_fraction * total}
    asked["valid"] = settings.valid_fraction * (total - asked["test"])
    for name, wanted in asked.items():
        if counts[name] > 1.5 * wanted + 1:
            logger.warning(
                "prepare: %s has %s ratings where %s were asked for: too many are of one second",
                *(name, f"{counts[name]:,}", f"{wanted:,.0f}"),
            )


def _refusal(made: _Made) -> str:
    """Return the message about repeats with three samples by raw id."""
    users, movies = made.layout.users.ordered(), made.layout.movies.ordered()
    samples = [repeat for one in made.written for repeat in one.repeats][:3]
    shown = "; ".join(
        f"user {to_list(users[[one.user_index]])[0]!r}, movie "
        f"{to_list(movies[[one.movie_index]])[0]!r}: {', '.join(f'{x:g}' for x in one.ratings)}"
        for one in samples
    )
    return describe(
        "prepare",
        found=f"{made.num_repeats:,} ratings that repeat one of the same user and movie ({shown})",
        expected="one rating of each pair, as prepare.duplicates is refuse",
        remedy="Set prepare.duplicates to last, first, mean, sum or max, or correct the data.",
    )


def _lost(name: str, found: int, expected: int) -> str:
    return describe(
        f"prepare ({name})",
        found=f"{found:,} rows",
        expected=f"{expected:,}",
        remedy="Run with --force. If that fails, report it: recspark must not lose rows.",
    )
