"""What a row gets that the model could not answer, and the flag that says so.

The chain: user and movie known → the bias model; unknown user → mean + movie effect; unknown
movie → mean + user effect; neither known → the mean. "Known" means: has a rating in train.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recspark import columns as c
from recspark.baselines.bias import BiasModel, attach_effects

BIAS = "bias"
MOVIE_EFFECT = "movie_effect"
USER_EFFECT = "user_effect"
GLOBAL_MEAN = "global_mean"

_USER = "_user_effect"
_MOVIE = "_movie_effect"


def fill_predictions(predicted: DataFrame, model: BiasModel) -> DataFrame:
    """Return every row once, `prediction` never null or NaN, plus `fallback` (null: the model's).

    Args:
        predicted: Rows with `user_index`, `movie_index` and a nullable `prediction`.
        model: The bias model of the same train.
    """
    attached = attach_effects(predicted, model, user=_USER, movie=_MOVIE)
    is_answered = F.col(c.PREDICTION).isNotNull() & ~F.isnan(c.PREDICTION)
    substitute = (
        F.lit(model.mean)
        + F.coalesce(F.col(_USER), F.lit(0.0))
        + F.coalesce(F.col(_MOVIE), F.lit(0.0))
    )
    value = F.when(is_answered, F.col(c.PREDICTION)).otherwise(substitute).cast("float")
    others = [name for name in predicted.columns if name != c.PREDICTION]
    return attached.select(
        *others,
        value.alias(c.PREDICTION),
        F.when(~is_answered, _flag()).alias(c.FALLBACK),
    )


def _flag() -> Column:
    knows_user, knows_movie = F.col(_USER).isNotNull(), F.col(_MOVIE).isNotNull()
    return (
        F.when(knows_user & knows_movie, BIAS)
        .when(knows_movie, MOVIE_EFFECT)
        .when(knows_user, USER_EFFECT)
        .otherwise(GLOBAL_MEAN)
    )


def clip_predictions(predicted: DataFrame, *, lowest: float, highest: float) -> DataFrame:
    """Return the same rows with `prediction` moved into [lowest, highest].

    The one place in recspark where predictions are clipped.
    """
    value = F.least(F.greatest(F.col(c.PREDICTION), F.lit(lowest)), F.lit(highest))
    return predicted.withColumn(c.PREDICTION, value.cast("float"))
