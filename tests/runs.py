"""A prepared run written by hand: the splits and manifests that later stages start from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from pyspark.sql import DataFrame, SparkSession

from recspark import schemas, storage
from recspark.config import Config
from recspark.manifest import Step
from recspark.paths import RunPaths

Cell = tuple[int, int, float]


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
    """Write train, valid and test into the run directory as the prepare stage does."""
    paths, num_buckets = RunPaths(config.root), config.prepare.num_buckets
    ratings = [rating for _, _, rating in train]
    counts = {
        "num_users": num_users,
        "num_movies": num_movies,
        "num_buckets": num_buckets,
        "rating_min": min(ratings),
        "rating_max": max(ratings),
        "rating_mean": sum(ratings) / len(ratings),
    }
    outputs = {
        paths.train: (schemas.TRAIN, train),
        paths.valid: (schemas.VALID, valid),
        paths.test: (schemas.TEST, test),
    }
    step = Step("prepare", {**asdict(config.prepare), "seed": config.seed}, {}, list(outputs), True)
    with step:
        for path, (schema, cells) in outputs.items():
            frame = split_frame(spark, cells, num_buckets)
            storage.write_dataset(frame, step.staging(path), schema)
            step.publish(path, schema, counts)
