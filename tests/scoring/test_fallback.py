from __future__ import annotations

import numpy as np
import pytest
from pyspark.sql import SparkSession

from recspark.contract import columns as c
from recspark.scoring.fallback import as_flags, clip_predictions, fill
from recspark.scoring.predictors import EffectModel

NAN = float("nan")

# User 1 of two has +0.5, movie 1 of two has -0.25, the mean is 3; no other user or movie is known.
MODEL = EffectModel(
    mean=3.0,
    movie_effects=np.array([NAN, -0.25]),
    open_users=lambda bucket: np.array([NAN, 0.5]),
)


@pytest.mark.parametrize(
    ("row", "movie", "expected", "flag"),
    [
        (1, 1, 3.25, "bias"),
        (0, 1, 2.75, "movie_effect"),
        (-1, 1, 2.75, "movie_effect"),
        (1, 0, 3.5, "user_effect"),
        (1, -1, 3.5, "user_effect"),
        (0, 0, 3.0, "global_mean"),
        (-1, -1, 3.0, "global_mean"),
    ],
)
def test_the_fallback_chain(row: int, movie: int, expected: float, flag: str) -> None:
    values, positions = fill(MODEL, 0, np.array([row, 1]), np.array([movie, 1]))
    assert values.tolist() == [expected, 3.25]
    assert as_flags(positions, np.array([False, True])).to_pylist() == [flag, None]


def test_clipping_moves_only_values_outside_the_scale(spark: SparkSession) -> None:
    values = [-1.0, 0.5, 0.75, 4.25, 5.0, 9.0]
    rows = spark.createDataFrame([(value,) for value in values], f"{c.PREDICTION} FLOAT")
    clipped = clip_predictions(rows, lowest=0.5, highest=5.0).collect()
    assert [row[c.PREDICTION] for row in clipped] == [0.5, 0.5, 0.75, 4.25, 5.0, 5.0]
