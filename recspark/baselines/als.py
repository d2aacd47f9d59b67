"""Alternating least squares of Spark MLlib.

Source: Zhou, Wilkinson, Schreiber, Pan (2008), "Large-scale parallel collaborative filtering for
the Netflix Prize" (ALS with weighted-λ regularisation: `reg` is per rating). The job fits it on
what the effects of the bias model leave of the ratings, because it shrinks towards 0: a user of
whom little is known then gets the effects alone, not 0 stars.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

from pyspark.ml.recommendation import ALS, ALSModel
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from recspark.baselines.bias import BiasModel
from recspark.contract import columns as c
from recspark.files import storage
from recspark.saved.arrays import export_arrays

# Each sweep lengthens the plan; without checkpoints, 20 sweeps overflowed the executors' stacks.
_CHECKPOINT_SWEEPS = 5
EFFECT_COLUMNS = 2
"""Columns before the factors in the arrays of a model with effects."""
_FEATURES, _WEIGHT = "features", "_weight"


@dataclass(frozen=True)
class Support:
    """How much the factors of users and movies count, by their numbers n of ratings: n / (n + k).

    MLlib's regularisation grows with the ratings of a row, so that few ratings are fitted as
    closely as many. The form is that of Bell and Koren (2007), "Scalable collaborative filtering
    with jointly derived neighborhood interpolation weights", for effects.
    """

    train: DataFrame
    """Rows with `user_index` and `movie_index`."""
    shrinkage: float
    """k, the number of ratings with which factors count half."""

    def weigh(self, key: str) -> DataFrame:
        """Return `_weight` of each user or movie, one row per key."""
        num_ratings = F.count(F.lit(1))
        weight = num_ratings / (num_ratings + F.lit(float(self.shrinkage)))
        return self.train.groupBy(key).agg(weight.alias(_WEIGHT))


def fit(
    train: DataFrame,
    *,
    embedding_size: int,
    epochs: int,
    reg: float,
    num_blocks: int,
    seed: int,
) -> ALSModel:
    """Return the fitted factors of all users and movies in train.

    Args:
        train: Rows with `user_index`, `movie_index`, `rating`, which is fitted as it is. Its Spark
            context has a checkpoint directory, which is kept until the model is saved.
        embedding_size: Factors per user and movie.
        epochs: Sweeps over users and movies.
        reg: L2 weight on each factor, per rating.
        num_blocks: Blocks that users and movies are partitioned into. The initial factors depend on
            it, so it must follow from the data, not from the machine's cores.
        seed: Seed of the initial factors.
    """
    als = ALS(
        userCol=c.USER_INDEX,
        itemCol=c.MOVIE_INDEX,
        ratingCol=c.RATING,
        rank=embedding_size,
        maxIter=epochs,
        regParam=reg,
        numUserBlocks=num_blocks,
        numItemBlocks=num_blocks,
        nonnegative=False,
        coldStartStrategy="nan",
        seed=seed,
        checkpointInterval=_CHECKPOINT_SWEEPS,
    ).setPredictionCol(c.PREDICTION)
    return als.fit(train.select(c.USER_INDEX, c.MOVIE_INDEX, c.RATING))


def export(
    model_dir: str,
    saved: str,
    spark: SparkSession,
    effects: BiasModel | None = None,
    support: Support | None = None,
    **counts: int,
) -> None:
    """Write the factors of a model that MLlib saved, as arrays for scoring.

    With effects a prediction is still one inner product, as the first EFFECT_COLUMNS of a row hold
    them: [mean + user effect, 1, factors] · [1, movie effect, factors].

    Args:
        model_dir: Where the arrays go.
        saved: The folder that `ALSModel.write().save()` wrote.
        spark: The session whose tasks write.
        effects: What was subtracted from the ratings; None if nothing was.
        support: How far to shrink the factors; comes with effects.
        counts: num_users, num_movies, num_buckets.
    """
    users, movies = (posixpath.join(saved, name) for name in ("userFactors", "itemFactors"))
    joined = posixpath.join(model_dir, "joined")
    if effects is not None and support is not None:
        level, one = F.lit(effects.mean) + F.col(c.EFFECT), F.lit(1.0)
        of_users = effects.user_effects.join(support.weigh(c.USER_INDEX), c.USER_INDEX, how="inner")
        of_movies = effects.movie_effects.join(
            support.weigh(c.MOVIE_INDEX), c.MOVIE_INDEX, how="inner"
        )
        users = _complete(spark, users, of_users, c.USER_INDEX, [level, one], joined)
        movies = _complete(spark, movies, of_movies, c.MOVIE_INDEX, [one, F.col(c.EFFECT)], joined)
    export_arrays(
        spark, model_dir, users=users, movies=movies, key=(c.ID, c.ID), value=_FEATURES, **counts
    )
    storage.remove(joined)


def _complete(
    spark: SparkSession, factors: str, rows: DataFrame, key: str, front: list[Column], to: str
) -> str:
    """Write the factors, shrunken, with the columns of `front` before them; return where."""
    path = posixpath.join(to, posixpath.basename(factors))
    shrunken = F.transform(_FEATURES, lambda value: (value * F.col(_WEIGHT)).cast("float"))
    columns = F.concat(F.array(*(one.cast("float") for one in front)), shrunken)
    found = spark.read.parquet(factors).join(rows, F.col(c.ID) == F.col(key), how="inner")
    found.select(c.ID, columns.alias(_FEATURES)).write.parquet(path)
    return path
