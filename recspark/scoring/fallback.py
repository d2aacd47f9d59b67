"""The fallback prediction of a pair that the model cannot answer, and the flag that marks it.

The chain: user and movie known → the bias model; unknown user → mean + movie effect; unknown
movie → mean + user effect; neither known → the mean. "Known" means having a rating in train.

Models that rank have no fallback: a rating is no score.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recspark.contract import columns as c
from recspark.scoring.predictors import EffectModel, Floats, Ints

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

BIAS = "bias"
MOVIE_EFFECT = "movie_effect"
USER_EFFECT = "user_effect"
GLOBAL_MEAN = "global_mean"
NO_ANSWER = "no_answer"

# At position (user is known) + 2 · (movie is known); the last one has no fallback.
FLAGS = (GLOBAL_MEAN, USER_EFFECT, MOVIE_EFFECT, BIAS, NO_ANSWER)


def fill(
    effects: EffectModel, bucket: int, rows: Ints, movies: Ints
) -> tuple[Floats, npt.NDArray[np.int8]]:
    """Return (prediction, position in FLAGS) of pairs of one bucket, [pairs] each, never NaN.

    Args:
        effects: The bias model of the same train.
        bucket: The users' bucket.
        rows: [pairs], the users' rows in it; below 0 for a user that is not in the index.
        movies: [pairs], `movie_index`; below 0 for a movie that is not in the index.
    """
    user, movie = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    user[rows >= 0] = effects.open_users(bucket)[rows[rows >= 0]]
    movie[movies >= 0] = effects.movie_effects[movies[movies >= 0]]
    flag = ~np.isnan(user) + 2 * ~np.isnan(movie)
    return effects.mean + np.nan_to_num(user) + np.nan_to_num(movie), flag.astype(np.int8)


def as_flags(positions: npt.NDArray[np.int8], is_answered: npt.NDArray[np.bool_]) -> pa.StringArray:
    """Return the flags as text, null where the model itself answered."""
    indices = pa.array(positions, mask=is_answered)
    return pa.DictionaryArray.from_arrays(indices, list(FLAGS)).dictionary_decode()


def clip_predictions(predicted: DataFrame, *, lowest: float, highest: float) -> DataFrame:
    """Return the same rows with `prediction` clipped to [lowest, highest]."""
    from pyspark.sql import functions as F

    value = F.least(F.greatest(F.col(c.PREDICTION), F.lit(lowest)), F.lit(highest))
    return predicted.withColumn(c.PREDICTION, value.cast("float"))
