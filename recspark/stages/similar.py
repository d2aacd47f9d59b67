"""The similar job: for each movie the most similar movies, by embeddings or weights of a model."""

from __future__ import annotations

import functools
from dataclasses import asdict

import numpy as np
from pyspark.sql import SparkSession

from recspark.cluster.tasks import broadcast
from recspark.config import Config
from recspark.contract import columns as c
from recspark.contract import schemas
from recspark.contract.catalog import MOVIES, TRAIN
from recspark.contract.paths import RunPaths
from recspark.contract.schemas import IdTypes
from recspark.datasets.id_maps import id_type, read_index_ids
from recspark.datasets.manifest import require_manifest
from recspark.datasets.movie_sums import count_movie_ratings
from recspark.datasets.step import Step
from recspark.errors import DataError, describe
from recspark.files import parquet
from recspark.recommend.co_rated import find_co_rated, has_weights
from recspark.recommend.similar import Find, attach_titles, find_similar, nearest, to_units
from recspark.scoring.lineage import require_model
from recspark.scoring.load import open_vectors


def run(config: Config, model_name: str, spark: SparkSession) -> None:
    """Write `similar_movies/<model_name>`, up to `similar.top_n` rows per movie.

    Raises:
        ConfigError: The model has neither embeddings nor weights between movies.
        DataError: An input is missing, the model belongs to another train, or fewer than two movies
            have enough ratings.
    """
    paths, settings = RunPaths(config.root), config.similar
    train = require_manifest(paths.train, TRAIN)
    movies = require_manifest(paths.movies, MOVIES)
    model, model_id = require_model(config, model_name)
    movie_ids = read_index_ids(paths.movie_index, train)
    output = paths.similar_movies(model_name)
    choices = asdict(settings)
    del choices["models"]
    inputs = {"train": train.id, "model": model_id, "movies": movies.id}
    step = Step(
        stage="similar",
        settings={"model": model_name, **choices},
        inputs=inputs,
        outputs=(output,),
        force=config.force,
        root=paths.root,
        reads=[paths.train, paths.movies, paths.model(model_name)],
    )
    if step.is_done():
        return
    with step:
        vectors = None if has_weights(model) else open_vectors(model)
        num_ratings = count_movie_ratings(spark, [model.train])
        listed = np.flatnonzero(num_ratings >= settings.min_ratings)
        if len(listed) < 2:
            raise DataError(
                describe(
                    "similar.min_ratings",
                    found=f"{len(listed)} movies with {settings.min_ratings:,} ratings in train",
                    expected="two or more",
                    remedy="Lower it.",
                )
            )
        find: Find = functools.partial(find_co_rated, model, listed, num_ratings[listed])
        if vectors is not None:
            find = functools.partial(nearest, to_units(vectors[listed]))
        sent = find, movie_ids[listed]
        titles = parquet.read_dataset(spark, paths.movies, schemas.MOVIES)
        with broadcast(spark.sparkContext, sent) as shared:
            kind = id_type(movie_ids)
            lists = find_similar(spark, shared, len(listed), settings.top_n, id_type=kind)
            named = attach_titles(lists, titles).coalesce(1)
            ordered = named.sortWithinPartitions(c.MOVIE_ID, c.RANK)
            schema = schemas.SIMILAR_MOVIES.with_ids(IdTypes(movie=kind))
            parquet.write_dataset(ordered, step.staging(output), schema)
        step.publish(output, schema)
