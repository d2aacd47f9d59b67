"""Global mean plus shrunken user and movie effects: the floor and everyone's fallback.

Source: Koren, Bell, Volinsky (2009), "Matrix factorization techniques for recommender systems",
section "Adding biases", fitted by the decoupled shrunken means of Koren (2010), section 2.1.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recspark import columns as c
from recspark import schemas, storage
from recspark.paths import MODEL_CARD

_RESIDUAL = "_residual"
_USER_EFFECT = "_user_effect"
_MOVIE_EFFECT = "_movie_effect"


@dataclass(frozen=True)
class BiasModel:
    """The fitted model; who is missing from a table had no rating in train."""

    mean: float
    """Mean rating of train."""
    user_effects: DataFrame
    """One row per user: `user_index`, `effect`."""
    movie_effects: DataFrame
    """One row per movie: `movie_index`, `effect`."""


def fit(train: DataFrame, *, mean: float, reg_user: float, reg_movie: float) -> BiasModel:
    """Return mean and effects: movies first, users on what the movies leave over.

    b_movie = Σ(r − mean) / (reg_movie + n), b_user = Σ(r − mean − b_movie) / (reg_user + n).

    Args:
        train: Rows with `user_index`, `movie_index`, `rating`.
        mean: Mean rating of train.
        reg_user: Pseudo-ratings with effect 0 that each user is given.
        reg_movie: The same for each movie.
    """
    centred = train.withColumn(_RESIDUAL, F.col(c.RATING).cast("double") - F.lit(mean))
    movies = _shrunken_mean(centred, c.MOVIE_INDEX, reg_movie)
    left_over = centred.join(
        F.broadcast(movies.withColumnRenamed(c.EFFECT, _MOVIE_EFFECT)), c.MOVIE_INDEX, how="inner"
    ).withColumn(_RESIDUAL, F.col(_RESIDUAL) - F.col(_MOVIE_EFFECT))
    users = _shrunken_mean(left_over, c.USER_INDEX, reg_user)
    return BiasModel(mean=mean, user_effects=users, movie_effects=movies)


def _shrunken_mean(rows: DataFrame, key: str, reg: float) -> DataFrame:
    effect = F.sum(_RESIDUAL) / (F.lit(float(reg)) + F.count(F.lit(1)))
    return rows.groupBy(key).agg(effect.alias(c.EFFECT))


def attach_effects(rows: DataFrame, model: BiasModel, *, user: str, movie: str) -> DataFrame:
    """Return every row once, with the effects of its user and movie (null where unseen in train).

    Args:
        rows: Needs `user_index` and `movie_index`; all rows and columns are kept.
        model: Its tables have one row per key, so no row multiplies.
        user: Name of the added user effect, DOUBLE.
        movie: Name of the added movie effect, DOUBLE.
    """
    movies = F.broadcast(model.movie_effects.withColumnRenamed(c.EFFECT, movie))
    users = model.user_effects.withColumnRenamed(c.EFFECT, user)
    return rows.join(movies, c.MOVIE_INDEX, how="left").join(users, c.USER_INDEX, how="left")


def predict(test: DataFrame, model: BiasModel) -> DataFrame:
    """Return test plus `prediction` = mean + b_user + b_movie; null where either is unseen."""
    attached = attach_effects(test, model, user=_USER_EFFECT, movie=_MOVIE_EFFECT)
    value = F.lit(model.mean) + F.col(_USER_EFFECT) + F.col(_MOVIE_EFFECT)
    return attached.select(*test.columns, value.cast("float").alias(c.PREDICTION))


def save(model: BiasModel, folder: str) -> None:
    """Write the effects and the model card into a model folder."""
    for effects, schema in (
        (model.user_effects, schemas.USER_EFFECTS),
        (model.movie_effects, schemas.MOVIE_EFFECTS),
    ):
        storage.write_dataset(effects.coalesce(1), posixpath.join(folder, schema.name), schema)
    card = {"algorithm": "bias", "mean": model.mean}
    storage.write_json(posixpath.join(folder, MODEL_CARD), card)


def load(spark: SparkSession, folder: str) -> BiasModel:
    """Return the model that `save` wrote."""
    users, movies = (
        storage.read_dataset(spark, posixpath.join(folder, schema.name), schema)
        for schema in (schemas.USER_EFFECTS, schemas.MOVIE_EFFECTS)
    )
    card = storage.read_json(posixpath.join(folder, MODEL_CARD))
    return BiasModel(mean=float(card["mean"]), user_effects=users, movie_effects=movies)
