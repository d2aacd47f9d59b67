"""The recommend job: for each user the movies that a model ranks highest."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import numpy.typing as npt
from pyspark.sql import SparkSession

from recspark.arrays.ids import Ids, is_text
from recspark.arrays.lookup import Lookup
from recspark.cluster.tasks import broadcast, commit_parts, spread, sums_of
from recspark.config import Config
from recspark.contract import schemas
from recspark.contract.catalog import TRAIN, VALID
from recspark.contract.paths import RunPaths
from recspark.datasets.id_maps import id_type, read_index_ids
from recspark.datasets.manifest import require_manifest
from recspark.datasets.movie_sums import count_movie_ratings
from recspark.datasets.prepared import find_fold_in
from recspark.datasets.step import Output, Step
from recspark.files import storage
from recspark.recommend.caution import HELD_OUT, require_caution, require_no_caution
from recspark.recommend.explainers import keep_reasons
from recspark.recommend.export import export_lists
from recspark.recommend.held_out_users import list_held_out_users
from recspark.recommend.id_list import read_id_list
from recspark.recommend.listing import add_columns, make_listing, require_movies
from recspark.recommend.lists import WrittenLists
from recspark.recommend.own_lists import ListJob, write_bucket
from recspark.scoring.fold_in import folds_in
from recspark.scoring.lineage import require_model
from recspark.scoring.load import open_model

logger = logging.getLogger(__name__)


def run(config: Config, model_name: str, spark: SparkSession) -> None:
    """Write `recommendations/<model_name>`, up to `recommend.top_n` rows per user.

    Movies that the user rated in train or valid are left out: both are known ratings, and only test
    stands for later ones. Users without a rating in train get no list, because the model has not
    learned from them, nor do users who have rated all movies; both are counted.

    With `recommend.format`, `exported_lists/<model_name>` holds the same lists as text.

    Raises:
        DataError: An input is missing, the model belongs to another train, a file of ids is
            unusable, or no movie may be listed.
        ConfigError: A setting asks for what the model does not give, such as its uncertainty or its
            reasons, or for a column that `movies` lacks.
    """
    paths, settings = RunPaths(config.root), config.recommend
    train = require_manifest(paths.train, TRAIN)
    valid = require_manifest(paths.valid, VALID)
    model, model_id = require_model(config, model_name)
    fold_in = find_fold_in(paths.fold_in, train)
    if fold_in is not None:
        require_no_caution(settings.caution, HELD_OUT)
    if settings.caution:
        require_caution(open_model(model), model_name, settings.caution)
    settings = keep_reasons(settings, model, model_name)
    user_ids = read_index_ids(paths.user_index, train)
    movie_ids = read_index_ids(paths.movie_index, train)
    if fold_in is not None and not folds_in(config):
        logger.warning("recommend: %s knows nothing of the held-out users: no lists", model_name)
        fold_in = None
    asked = user_ids
    if settings.users:
        asked = read_id_list(settings.users, "recommend.users", are_text=is_text(user_ids))
    output, exported = paths.recommendations(model_name), paths.exported_lists(model_name)
    inputs = {"train": train.id, "valid": valid.id, "model": model_id}
    reads = [paths.train, paths.valid, *model.folders]
    movies = require_movies(settings, paths.movies)
    if movies is not None:
        inputs["movies"] = movies.id
        reads.append(paths.movies)
    choices = asdict(settings)
    del choices["models"], choices["histories"]
    is_exported = settings.format != "parquet"
    step = Step(
        stage="recommend",
        settings={"model": model_name, **choices},
        inputs=inputs,
        outputs=(output, exported) if is_exported else (output,),
        force=config.force,
        root=paths.root,
        reads=[*reads, *([fold_in] if fold_in else [])],
        scratch=() if is_exported else (exported,),
        files=[one for path in settings.file_settings.values() for one in storage.list_files(path)],
    )
    if step.is_done():
        return
    with step:
        num_ratings = count_movie_ratings(spark, [model.train])
        listing = make_listing(settings, model, num_ratings, movie_ids, paths.movies)
        job = ListJob(
            listing=listing,
            rated=(paths.train, paths.valid),
            user_ids=user_ids,
            wanted=_wanted(asked, user_ids) if settings.users else None,
            caution=settings.caution,
        )
        root, buckets = step.staging(output), sorted(model.train.bucket_rows)
        with broadcast(spark.sparkContext, job) as shared:
            written = (
                spread(spark, buckets, len(buckets))
                .map(lambda bucket: write_bucket(shared.value, bucket, root))
                .collect()
            )
        if fold_in is not None:
            written += list_held_out_users(spark, job, fold_in, root)
        parts = [one.file for one in written]
        commit_parts(parts, root)
        counts = _count(written, len(asked), settings.top_n)
        counts["movies"] = len(listing.candidates)
        schema = add_columns(schemas.RECOMMENDATIONS, settings, id_type(user_ids), movie_ids)
        outputs: list[Output] = [(output, schema, counts)]
        if is_exported:
            folder = step.staging(exported)
            num_rows = export_lists(root, list(schema.columns), folder, settings.format)
            outputs.append((exported, None, {"format": settings.format, "rows": num_rows}))
        step.publish_all(outputs, sums_of(parts))
        if not is_exported:
            storage.discard(exported)  # of lists that are replaced


def _count(written: Sequence[WrittenLists], num_asked: int, length: int) -> dict[str, int]:
    """Return the counts of the manifest; the log tells who gets no list, or a short one."""
    num_lists = sum(one.num_lists for one in written)
    num_known = sum(one.num_users for one in written)
    num_short = sum(one.num_short for one in written)
    _warn_of_users_without("have no rating in train", num_asked - num_known, num_asked)
    reason = "have rated every movie that may be listed, or nothing that the model learns from"
    _warn_of_users_without(reason, num_known - num_lists, num_asked)
    if num_short:
        logger.warning(
            "recommend: %s of %s lists have fewer than %s movies: no others may be listed",
            *(f"{num_short:,}", f"{num_lists:,}", length),
        )
    return {"users": num_asked, "lists": num_lists, "short_lists": num_short}


def _warn_of_users_without(reason: str, count: int, num_asked: int) -> None:
    if count:
        logger.warning(
            "recommend: %s of %s users get no list: they %s",
            *(f"{count:,}", f"{num_asked:,}", reason),
        )


def _wanted(asked: Ids, user_ids: Ids) -> npt.NDArray[np.bool_]:
    """Return which users, by index, are asked for."""
    wanted = np.zeros(len(user_ids), bool)
    found = Lookup.of(user_ids).find(asked)
    wanted[found[found >= 0]] = True
    return wanted
