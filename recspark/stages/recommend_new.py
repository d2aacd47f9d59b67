"""Lists of the recommend job for users who were not there at training, from their histories."""

from __future__ import annotations

import logging
import posixpath
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict

import pyarrow as pa
from pyspark.sql import SparkSession

from recspark.arrays.ids import is_text
from recspark.cluster.arrow_blocks import Block
from recspark.cluster.shuffle import shuffle
from recspark.cluster.tasks import broadcast, commit_parts, spread, sums_of
from recspark.config import Config
from recspark.contract import schemas
from recspark.contract.catalog import TRAIN, VALID
from recspark.contract.paths import RunPaths
from recspark.datasets.id_maps import read_index_ids
from recspark.datasets.manifest import require_manifest
from recspark.datasets.movie_sums import count_movie_ratings
from recspark.datasets.prepared import PreparedFacts
from recspark.datasets.step import Step
from recspark.files import storage
from recspark.files.parquet import RowGroup
from recspark.prepare.rows import plan_blocks
from recspark.recommend.caution import HISTORIES, require_no_caution
from recspark.recommend.explainers import keep_reasons
from recspark.recommend.histories import HistorySource
from recspark.recommend.history_files import find_histories, stage_histories
from recspark.recommend.listing import add_columns, make_listing, require_movies
from recspark.recommend.new_users import (
    NewUserJob,
    WrittenNewLists,
    send_rows,
    write_new_lists,
)
from recspark.scoring.fold_in import open_history_model
from recspark.scoring.lineage import require_model

logger = logging.getLogger(__name__)

_STAGED = "_histories"
"""Folder of the staged ratings, in the staging folder of the lists."""


def run(config: Config, model_name: str, spark: SparkSession) -> None:
    """Write `new_recommendations/<model_name>` for the users of `recommend.histories`.

    Users of the run get lists from what the run knows of them, train and valid, and from the files.
    Nobody is listed a movie of his history, unless seen movies may be listed.

    Raises:
        DataError: An input is missing, the model belongs to another train, no movie may be listed,
            or a file is unusable, see `stage_histories`.
        ConfigError: The model does not answer for unknown users, or lacks what a setting asks for;
            or `movies` lacks a column.
    """
    paths, settings = RunPaths(config.root), config.recommend
    assert settings.histories is not None
    train, valid = require_manifest(paths.train, TRAIN), require_manifest(paths.valid, VALID)
    model, model_id = require_model(config, model_name)
    require_no_caution(settings.caution, HISTORIES)
    open_history_model(model)
    movies = require_movies(settings, paths.movies)
    histories = find_histories(settings.histories, "recommend.histories")
    settings = keep_reasons(settings, model, model_name)
    output = paths.new_recommendations(model_name)
    choices = asdict(settings)
    for name in ("models", "users", "caution", "format"):  # not of these lists
        del choices[name]
    reads, inputs = [paths.train, paths.valid, *model.folders], {"train": train.id}
    inputs |= {"valid": valid.id, "model": model_id}
    if movies is not None:
        inputs["movies"] = movies.id
        reads.append(paths.movies)
    named = [path for name, path in settings.file_settings.items() if name != "recommend.users"]
    step = Step(
        stage="recommend",
        settings={
            "model": model_name,
            **choices,
            "duplicates": config.prepare.duplicates,
            "min_rating": config.prepare.min_rating,
            "ingest_format": config.ingest.format,
            "table": asdict(config.ingest.table),
        },
        inputs=inputs,
        outputs=(output,),
        force=config.force,
        root=paths.root,
        reads=reads,
        files=[*histories.files, *(one for path in named for one in storage.list_files(path))],
    )
    if step.is_done():
        return
    with step:
        user_ids = read_index_ids(paths.user_index, train)
        movie_ids = read_index_ids(paths.movie_index, train)
        kinds, facts = (is_text(user_ids), is_text(movie_ids)), PreparedFacts.of(train)
        root = step.staging(output)
        staged = posixpath.join(root, _STAGED)
        rows = stage_histories(spark, config, histories, facts, kinds, staged)
        num_ratings = count_movie_ratings(spark, [model.train])
        listing = make_listing(settings, model, num_ratings, movie_ids, paths.movies)
        source = HistorySource.of(
            config, facts, rows.num_ratings, user_ids=user_ids, movie_ids=movie_ids
        )
        job = NewUserJob(listing, source)
        written = _write(spark, job, rows.folder, root)
        storage.remove(staged)
        parts = [one.file for one in written if one.file is not None]
        commit_parts(parts, root)
        counts = _count(written, rows.num_ratings)
        _tell(counts)
        schema = add_columns(schemas.NEW_RECOMMENDATIONS, settings, rows.types.user, movie_ids)
        step.publish(output, schema, counts, sums_of(parts))


def _write(
    spark: SparkSession, job: NewUserJob, folder: str, root: str
) -> Sequence[WrittenNewLists]:
    """Bring the rows of each user together, and write the lists."""
    plan = plan_blocks(folder)
    with broadcast(spark.sparkContext, job) as shared:

        def send(blocks: Iterable[list[RowGroup]]) -> Iterator[Block]:
            return send_rows(blocks, shared.value.source)

        def write(part: int, batches: Iterator[pa.RecordBatch]) -> WrittenNewLists:
            return write_new_lists(shared.value, part, batches, root)

        sent = spread(spark, plan, len(plan)).mapPartitions(send)
        return shuffle(spark, sent, job.source.num_parts, write, root)


def _count(written: Sequence[WrittenNewLists], num_ratings: int) -> dict[str, int]:
    names = {
        "users": "num_users",
        "known_users": "num_known",
        "lists": "num_lists",
        "short_lists": "num_short",
        "users_without_movie": "num_without_movie",
        "ratings_of_unknown_movies": "num_unknown_movies",
    }
    totals = {key: sum(getattr(one, name) for one in written) for key, name in names.items()}
    return {"ratings": num_ratings, **totals}


def _tell(counts: dict[str, int]) -> None:
    logger.info(
        "recommend: %s users from their histories, %s of them users of the run",
        *(f"{counts[name]:,}" for name in ("users", "known_users")),
    )
    if counts["ratings_of_unknown_movies"]:
        logger.warning(
            "recommend: left out %s of %s ratings, whose movies the run does not know",
            *(f"{counts[name]:,}" for name in ("ratings_of_unknown_movies", "ratings")),
        )
    without = counts["users"] - counts["lists"]
    if without:
        logger.warning(
            "recommend: %s of %s users get no list: %s have rated no movie that the run knows, the "
            "others nothing that the model learns from, or every movie that may be listed",
            *(f"{one:,}" for one in (without, counts["users"], counts["users_without_movie"])),
        )
