"""Alternating least squares as Spark MLlib has it: the engine's own baseline.

Source: Zhou, Wilkinson, Schreiber, Pan (2008), "Large-scale parallel collaborative filtering for
the Netflix Prize" (ALS with weighted-λ regularisation: `reg` is per rating).
"""

from __future__ import annotations

from pyspark.ml.recommendation import ALS, ALSModel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recspark import columns as c

# Each sweep lengthens the plan; uncut, 20 sweeps were seen to overflow the executors' stacks.
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
        num_blocks: Blocks that users and movies are dealt into. The first factors depend on it,
            so it is a matter of the data, not of the machine's cores.
        seed: Seed of the first factors.
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


def predict(test: DataFrame, model: ALSModel) -> DataFrame:
    """Return test plus `prediction`; null where the user or the movie has no rating in train."""
    scored = model.transform(test)
    value = F.when(~F.isnan(c.PREDICTION), F.col(c.PREDICTION)).cast("float")
    return scored.select(*test.columns, value.alias(c.PREDICTION))
