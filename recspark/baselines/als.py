"""Alternating least squares of Spark MLlib.

Source: Zhou, Wilkinson, Schreiber, Pan (2008), "Large-scale parallel collaborative filtering for
the Netflix Prize" (ALS with weighted-λ regularisation: `reg` is per rating).
"""

from __future__ import annotations

import posixpath

from pyspark.ml.recommendation import ALS, ALSModel
from pyspark.sql import DataFrame, SparkSession

from recspark.contract import columns as c
from recspark.saved.arrays import export_arrays

# Each sweep lengthens the plan; without checkpoints, 20 sweeps overflowed the executors' stacks.
_CHECKPOINT_SWEEPS = 5


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
        train: Rows with `user_index`, `movie_index`, `rating`. Its Spark context has a checkpoint
            directory, which is kept until the model is saved.
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


def export(model_dir: str, saved: str, spark: SparkSession, **counts: int) -> None:
    """Write the factors of a model that MLlib saved, as arrays for scoring.

    Args:
        model_dir: Where the arrays go.
        saved: The folder that `ALSModel.write().save()` wrote.
        spark: The session whose tasks write.
        counts: num_users, num_movies, num_buckets.
    """
    export_arrays(
        spark,
        model_dir,
        users=posixpath.join(saved, "userFactors"),
        movies=posixpath.join(saved, "itemFactors"),
        key=(c.ID, c.ID),
        value="features",
        **counts,
    )
