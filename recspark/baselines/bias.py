"""Global mean plus shrunken user and movie effects: the reference model and the fallback of all.

Source: Koren, Bell, Volinsky (2009), "Matrix factorization techniques for recommender systems",
section "Adding biases", fitted by the decoupled shrunken means of Koren (2010), section 2.1.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recspark.contract import columns as c
from recspark.contract import schemas
from recspark.files import parquet
from recspark.saved.arrays import export_arrays

_RESIDUAL = "_residual"
_MOVIE_EFFECT = "_movie_effect"
_USER_EFFECT = "_user_effect"


@dataclass(frozen=True)
class BiasModel:
    """The fitted model; a user or movie missing from a table has no rating in train."""

    mean: float
    """Mean rating of train."""
    user_effects: DataFrame
    """One row per user: `user_index`, `effect`."""
    movie_effects: DataFrame
    """One row per movie: `movie_index`, `effect`."""


def fit(train: DataFrame, *, mean: float, reg_user: float, reg_movie: float) -> BiasModel:
    """Return the mean and the effects: first of movies, then of users on the residuals.

    b_movie = Σ(r − mean) / (reg_movie + n), b_user = Σ(r − mean − b_movie) / (reg_user + n).

    Args:
        train: Rows with `user_index`, `movie_index`, `rating`.
        mean: Mean rating of train.
        reg_user: Pseudo-ratings with effect 0 that are added to each user.
        reg_movie: The same for each movie.
    """
    centred = train.withColumn(_RESIDUAL, F.col(c.RATING).cast("double") - F.lit(mean))
    movies = _shrunken_mean(centred, c.MOVIE_INDEX, reg_movie)
    residuals = centred.join(
        F.broadcast(movies.withColumnRenamed(c.EFFECT, _MOVIE_EFFECT)), c.MOVIE_INDEX, how="inner"
    ).withColumn(_RESIDUAL, F.col(_RESIDUAL) - F.col(_MOVIE_EFFECT))
    users = _shrunken_mean(residuals, c.USER_INDEX, reg_user)
    return BiasModel(mean=mean, user_effects=users, movie_effects=movies)


def _shrunken_mean(rows: DataFrame, key: str, reg: float) -> DataFrame:
    effect = F.sum(_RESIDUAL) / (F.lit(float(reg)) + F.count(F.lit(1)))
    return rows.groupBy(key).agg(effect.alias(c.EFFECT))


def subtract(train: DataFrame, model: BiasModel) -> DataFrame:
    """Return the same rows with `rating` minus the mean and both effects.

    Args:
        train: Rows with `user_index`, `movie_index`, `rating`, those that the model was fitted on.
        model: The fitted model.
    """
    users = model.user_effects.withColumnRenamed(c.EFFECT, _USER_EFFECT)
    movies = model.movie_effects.withColumnRenamed(c.EFFECT, _MOVIE_EFFECT)
    effects = F.lit(model.mean) + F.col(_USER_EFFECT) + F.col(_MOVIE_EFFECT)
    return (
        train.join(F.broadcast(movies), c.MOVIE_INDEX, how="inner")
        .join(users, c.USER_INDEX, how="inner")
        .withColumn(c.RATING, (F.col(c.RATING) - effects).cast("float"))
        .drop(_USER_EFFECT, _MOVIE_EFFECT)
    )


def write_effects(model: BiasModel, folder: str) -> BiasModel:
    """Write the effects into a model folder as tables, and return the model that reads them there.

    Args:
        model: What `fit` returned.
        folder: The model's folder.
    """
    read = []
    for effects, schema in (
        (model.user_effects, schemas.USER_EFFECTS),
        (model.movie_effects, schemas.MOVIE_EFFECTS),
    ):
        path = posixpath.join(folder, schema.name)
        parquet.write_dataset(effects.coalesce(1), path, schema)
        read.append(parquet.read_dataset(effects.sparkSession, path, schema))
    return BiasModel(model.mean, *read)


def save(model: BiasModel, folder: str, **counts: int) -> None:
    """Write the effects into a model folder, as tables and as the arrays that scoring maps.

    Args:
        model: What `fit` returned.
        folder: The model's folder.
        counts: num_users, num_movies, num_buckets.
    """
    write_effects(model, folder)
    export_arrays(
        model.user_effects.sparkSession,
        folder,
        users=posixpath.join(folder, schemas.USER_EFFECTS.name),
        movies=posixpath.join(folder, schemas.MOVIE_EFFECTS.name),
        key=(c.USER_INDEX, c.MOVIE_INDEX),
        value=c.EFFECT,
        **counts,
    )
