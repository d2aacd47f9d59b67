"""A prepared run written by hand: the splits and manifests that later stages read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from pyspark.sql import DataFrame, SparkSession

from recspark.config import Config
from recspark.contract import schemas
from recspark.contract.paths import RunPaths
from recspark.contract.schemas import IdTypes
from recspark.datasets.prepared import PreparedFacts
from recspark.datasets.step import Step
from recspark.files import parquet

Cell = tuple[int, int, float]


def user_id(index: int) -> int:
    """Return the raw id of a user of these runs. Ids descend and have gaps."""
    return 1000 - 3 * index


def movie_id(index: int) -> int:
    """Return the raw id of a movie of these runs. Ids are not in the order of the index."""
    return 7 + (index * 5) % 101


def prepared_counts(**changes: Any) -> dict[str, Any]:
    """Return counts like those in the manifests of train, valid and test."""
    facts = PreparedFacts(
        num_users=40,
        num_movies=30,
        num_buckets=4,
        rating_min=1.0,
        rating_max=5.0,
        rating_mean=3.5,
        rating_std=1.1,
        rating_values=(1.0, 2.0, 3.0, 4.0, 5.0),
    )
    return replace(facts, **changes).to_counts()


def split_frame(spark: SparkSession, cells: Sequence[Cell], num_buckets: int) -> DataFrame:
    """Return (user, movie, rating) cells with the columns of train, valid and test."""
    rows = [(user, movie, rating, 100, user % num_buckets) for user, movie, rating in cells]
    return spark.createDataFrame(rows, schemas.TRAIN.ddl)


def write_prepared(
    spark: SparkSession,
    config: Config,
    *,
    train: Sequence[Cell],
    test: Sequence[Cell],
    num_users: int,
    num_movies: int,
    valid: Sequence[Cell] = (),
) -> None:
    """Write indexes, train, valid and test into the run directory as the prepare stage does."""
    paths, num_buckets = RunPaths(config.root), config.prepare.num_buckets
    ratings = [rating for _, _, rating in train]
    counts = prepared_counts(
        num_users=num_users,
        num_movies=num_movies,
        num_buckets=num_buckets,
        rating_min=min(ratings),
        rating_max=max(ratings),
        rating_mean=sum(ratings) / len(ratings),
        rating_std=float(np.std(ratings)),
        rating_values=tuple(sorted(set(ratings))),
    )
    types = IdTypes()
    outputs = {
        paths.train: (schemas.TRAIN, train),
        paths.valid: (schemas.VALID, valid),
        paths.test: (schemas.TEST, test),
    }
    indexes = {
        paths.user_index: (
            schemas.USER_INDEX.with_ids(types),
            [user_id(user) for user in range(num_users)],
        ),
        paths.movie_index: (
            schemas.MOVIE_INDEX.with_ids(types),
            [movie_id(movie) for movie in range(num_movies)],
        ),
    }
    settings = {**asdict(config.prepare), "seed": config.seed}
    step = Step("prepare", settings, {}, [*indexes, *outputs], True)
    with step:
        for path, (schema, ids) in indexes.items():
            rows = [(raw, index, 1) for index, raw in enumerate(ids)]
            parquet.write_dataset(
                spark.createDataFrame(rows, schema.ddl), step.staging(path), schema
            )
        for path, (schema, cells) in outputs.items():
            frame = split_frame(spark, cells, num_buckets)
            parquet.write_dataset(frame, step.staging(path), schema)
        step.publish_all(
            [
                *((path, schema, None) for path, (schema, _) in indexes.items()),
                *((path, schema, counts) for path, (schema, _) in outputs.items()),
            ]
        )


def write_movies(
    spark: SparkSession, config: Config, rows: Sequence[tuple[Any, ...]], **attributes: str
) -> None:
    """Write `movies` as the ingest stage does.

    Args:
        spark: The session.
        config: Of the run.
        rows: Raw id, year, title, genres and the attributes of each.
        attributes: Types of the attributes.
    """
    path = RunPaths(config.root).movies
    schema = schemas.MOVIES.with_ids(IdTypes()).with_columns(attributes)
    with Step("ingest", {}, {}, [path]) as step:
        frame = spark.createDataFrame(rows, schema.ddl)
        parquet.write_dataset(frame, step.staging(path), schema)
        step.publish(path, schema)
