"""The prepare job: ratings → user and movie index, train, valid and test in user buckets."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict

from pyspark.sql import SparkSession

from recspark.cluster.tasks import spread, sums_of
from recspark.config import Config, PrepareConfig
from recspark.contract import schemas
from recspark.contract.catalog import PROBE, RATINGS
from recspark.contract.paths import RunPaths
from recspark.contract.schemas import IdTypes, Schema
from recspark.datasets.manifest import Manifest, require_manifest
from recspark.datasets.step import Step
from recspark.errors import DataError
from recspark.files import storage
from recspark.files.sums import name_content
from recspark.prepare.balance import check_counts, count_splits, lost, refuse_repeats
from recspark.prepare.held_out import read_held_out_pairs
from recspark.prepare.make_splits import Folders, Made, make_splits
from recspark.prepare.rows import plan_blocks
from recspark.prepare.settle_ratings import settle_ratings
from recspark.prepare.split import PARTS

logger = logging.getLogger(__name__)

_COMBINED = ("mean", "sum", "max")


def run(config: Config, spark: SparkSession) -> None:
    """Write the index tables, the saved StringIndexerModels and the splits.

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
    splits = _split_outputs(paths, settings)
    outputs = [
        (path, schema.with_ids(types) if schema else None)
        for path, schema in (*_index_outputs(paths), *splits)
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

        def make(ratings: str) -> Made:
            return make_splits(
                spark,
                config,
                ratings,
                num_ratings=source.num_rows,
                types=types,
                folders=_folders(step, paths, splits),
                pairs=pairs,
            )

        ratings, num_repeats = paths.ratings, 0
        is_rated_late = settings.min_rating is not None and settings.duplicates != "refuse"
        if settings.duplicates in _COMBINED or is_rated_late:
            # What is counted and judged is the rating that is left.
            ratings, num_repeats = _settle(spark, step, paths, settings, source)
        made = make(ratings)
        if made.num_repeats and settings.duplicates == "refuse":
            raise DataError(refuse_repeats(made))
        if made.num_repeats:
            # Counts of users and movies included repeats: start over without them.
            ratings, num_repeats = _settle(spark, step, paths, settings, source)
            made = make(ratings)
        storage.remove(step.staging(paths.settled))
        counts = count_splits(made, settings, num_repeats, pairs)
        check_counts(counts, settings, num_ratings=source.num_rows)
        published = step.publish_all(
            [
                (path, schema, counts if schema and schema.name in PARTS else None)
                for path, schema in outputs
            ],
            sums_of(file for part in made.written for file in part.files.values()),
        )
        for (_, schema), manifest in zip(splits, published[-len(splits) :], strict=True):
            if manifest.num_rows != counts[schema.name]:
                raise DataError(lost(schema.name, manifest.num_rows, counts[schema.name]))


def _index_outputs(paths: RunPaths) -> list[tuple[str, Schema | None]]:
    return [
        (paths.user_index, schemas.USER_INDEX),
        (paths.movie_index, schemas.MOVIE_INDEX),
        (paths.user_indexer, None),
        (paths.movie_indexer, None),
    ]


def _split_outputs(paths: RunPaths, settings: PrepareConfig) -> list[tuple[str, Schema]]:
    found = [
        (paths.train, schemas.TRAIN),
        (paths.valid, schemas.VALID),
        (paths.test, schemas.TEST),
    ]
    if settings.split == "held_out_users":
        found.append((paths.fold_in, schemas.FOLD_IN))
    return found


def _folders(step: Step, paths: RunPaths, splits: Sequence[tuple[str, Schema]]) -> Folders:
    return Folders(
        splits={schema.name: step.staging(path) for path, schema in splits},
        user_index=step.staging(paths.user_index),
        movie_index=step.staging(paths.movie_index),
        user_indexer=step.staging(paths.user_indexer),
        movie_indexer=step.staging(paths.movie_indexer),
    )


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
