"""The recommend job: for each user the unrated movies that a model rates highest."""

from __future__ import annotations

import logging
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
from recspark.contract.schemas import IdTypes
from recspark.datasets.id_maps import id_type, read_index_ids
from recspark.datasets.manifest import require_manifest
from recspark.datasets.prepared import find_fold_in
from recspark.datasets.step import Step
from recspark.errors import DataError, describe
from recspark.files import storage
from recspark.recommend.caution import require_caution
from recspark.recommend.held_out_users import list_held_out_users
from recspark.recommend.lists import ListJob, write_lists
from recspark.recommend.popularity import count_ratings
from recspark.recommend.user_list import read_user_list
from recspark.scoring.fold_in import folds_in
from recspark.scoring.lineage import require_model
from recspark.scoring.load import open_model

logger = logging.getLogger(__name__)


def run(config: Config, model_name: str, spark: SparkSession) -> None:
    """Write `recommendations/<model_name>`, up to `recommend.top_n` rows per user.

    Movies that the user rated in train or valid are left out: both are known ratings, and only test
    stands for later ones. Users without a rating in train get no list, because the model has not
    learned from them, nor do users who have rated all movies; both are counted.

    Raises:
        DataError: An input is missing, the model belongs to another train, the file of users is
            unusable, or no movie has enough ratings.
        ConfigError: `recommend.caution` is set, and the model states no standard deviations.
    """
    paths, settings = RunPaths(config.root), config.recommend
    train = require_manifest(paths.train, TRAIN)
    valid = require_manifest(paths.valid, VALID)
    model, model_id = require_model(config, model_name)
    if settings.caution:
        require_caution(open_model(model), model_name, settings.caution)
    user_ids = read_index_ids(paths.user_index, train)
    movie_ids = read_index_ids(paths.movie_index, train)
    fold_in = find_fold_in(paths.fold_in, train)
    if fold_in is not None and not folds_in(config):
        logger.warning("recommend: %s knows nothing of the held-out users: no lists", model_name)
        fold_in = None
    asked = user_ids
    if settings.users:
        asked = read_user_list(settings.users, are_text=is_text(user_ids))
    output = paths.recommendations(model_name)
    inputs = {"train": train.id, "valid": valid.id, "model": model_id}
    files = storage.list_files(settings.users) if settings.users else []
    choices = asdict(settings)
    del choices["models"], choices["histories"]
    step = Step(
        stage="recommend",
        settings={"model": model_name, **choices},
        inputs=inputs,
        outputs=(output,),
        force=config.force,
        root=paths.root,
        reads=[paths.train, paths.valid, *([fold_in] if fold_in else []), *model.folders],
        files=files,
    )
    if step.is_done():
        return
    with step:
        job = ListJob(
            model=model,
            count=settings.top_n,
            seen=(paths.train, paths.valid),
            candidates=_candidates(count_ratings(spark, model.train), settings.min_ratings),
            user_ids=user_ids,
            movie_ids=movie_ids,
            wanted=_wanted(asked, user_ids) if settings.users else None,
            caution=settings.caution,
        )
        root, buckets = step.staging(output), sorted(model.train.bucket_rows)
        with broadcast(spark.sparkContext, job) as shared:
            written = (
                spread(spark, buckets, len(buckets))
                .map(lambda bucket: write_lists(shared.value, bucket, root))
                .collect()
            )
        if fold_in is not None:
            written += list_held_out_users(spark, job, fold_in, root)
        parts = [one.file for one in written]
        commit_parts(parts, root)
        num_lists = sum(one.num_lists for one in written)
        num_known = sum(one.num_users for one in written)
        counts = {"users": len(asked), "lists": num_lists, "movies": len(job.candidates)}
        _warn_of_users_without("have no rating in train", len(asked) - num_known, len(asked))
        reason = "have rated every movie that may be listed, or nothing that the model learns from"
        _warn_of_users_without(reason, num_known - num_lists, len(asked))
        types = IdTypes(id_type(user_ids), id_type(movie_ids))
        step.publish(output, schemas.RECOMMENDATIONS.with_ids(types), counts, sums_of(parts))


def _warn_of_users_without(reason: str, count: int, num_asked: int) -> None:
    if count:
        logger.warning(
            "recommend: %s of %s users get no list: they %s",
            *(f"{count:,}", f"{num_asked:,}", reason),
        )


def _candidates(num_ratings: npt.NDArray[np.int64], min_ratings: int) -> npt.NDArray[np.int32]:
    """Return the movies, by index, with enough ratings in train."""
    candidates = np.flatnonzero(num_ratings >= min_ratings)
    if len(candidates) == 0:
        raise DataError(
            describe(
                "recommend.min_ratings",
                found=f"no movie with {min_ratings:,} ratings in train",
                expected=f"at most {num_ratings.max():,}",
                remedy="Lower it.",
            )
        )
    return candidates.astype(np.int32)


def _wanted(asked: Ids, user_ids: Ids) -> npt.NDArray[np.bool_]:
    """Return which users, by index, are asked for."""
    wanted = np.zeros(len(user_ids), bool)
    found = Lookup.of(user_ids).find(asked)
    wanted[found[found >= 0]] = True
    return wanted
