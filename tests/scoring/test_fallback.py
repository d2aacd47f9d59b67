from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from recspark import columns as c
from recspark import schemas
from recspark.baselines.bias import BiasModel
from recspark.scoring.fallback import clip_predictions, fill_predictions

NAN = float("nan")


@pytest.fixture
def model(spark: SparkSession) -> BiasModel:
    """User 1 has +0.5, movie 7 has -0.25, the mean is 3; nobody else is known."""
    return BiasModel(
        mean=3.0,
        user_effects=spark.createDataFrame([(1, 0.5)], schemas.USER_EFFECTS.ddl),
        movie_effects=spark.createDataFrame([(7, -0.25)], schemas.MOVIE_EFFECTS.ddl),
    )


@pytest.mark.parametrize(
    ("user", "movie", "answer", "expected", "flag"),
    [
        (1, 7, 4.5, 4.5, None),
        (2, 8, 4.5, 4.5, None),  # the model's own answer stands, whoever is known here
        (1, 7, None, 3.25, "bias"),
        (1, 7, NAN, 3.25, "bias"),
        (2, 7, None, 2.75, "movie_effect"),
        (1, 8, None, 3.5, "user_effect"),
        (2, 8, None, 3.0, "global_mean"),
    ],
)
def test_the_chain(
    spark: SparkSession,
    model: BiasModel,
    user: int,
    movie: int,
    answer: float | None,
    expected: float,
    flag: str | None,
) -> None:
    kind = f"{c.USER_INDEX} INT, {c.MOVIE_INDEX} INT, {c.PREDICTION} FLOAT, {c.BUCKET} INT"
    rows = spark.createDataFrame([(user, movie, answer, 3)], kind)
    [row] = fill_predictions(rows, model).collect()
    assert row.asDict() == {
        c.USER_INDEX: user,
        c.MOVIE_INDEX: movie,
        c.BUCKET: 3,
        c.PREDICTION: expected,
        c.FALLBACK: flag,
    }


def test_clipping_moves_only_what_is_outside(spark: SparkSession) -> None:
    values = [-1.0, 0.5, 0.75, 4.25, 5.0, 9.0]
    rows = spark.createDataFrame([(value,) for value in values], f"{c.PREDICTION} FLOAT")
    clipped = clip_predictions(rows, lowest=0.5, highest=5.0).collect()
    assert [row[c.PREDICTION] for row in clipped] == [0.5, 0.5, 0.75, 4.25, 5.0, 5.0]
