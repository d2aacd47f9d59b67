from __future__ import annotations

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession

from recspark import schemas
from recspark.errors import DataError
from recspark.evaluation.metrics import measure_accuracy


def frame(
    spark: SparkSession,
    ratings: list[float],
    predictions: list[float | None],
    flags: list[str | None],
) -> DataFrame:
    rows = [
        (user, 0, rating, 0, prediction, flag, 0)
        for user, (rating, prediction, flag) in enumerate(
            zip(ratings, predictions, flags, strict=True)
        )
    ]
    return spark.createDataFrame(rows, schemas.PREDICTIONS.ddl).repartition(3)


def test_figures_are_those_of_numpy(spark: SparkSession) -> None:
    rng = np.random.default_rng(3)
    ratings = rng.integers(1, 6, 500).astype(np.float32)
    predictions = rng.uniform(1, 5, 500).astype(np.float32)
    flags: list[str | None] = [None] * 460 + ["bias"] * 30 + ["global_mean"] * 10
    found = measure_accuracy(
        frame(spark, ratings.tolist(), predictions.tolist(), flags), num_rows=500, where="x"
    )
    error = predictions.astype(np.float64) - ratings.astype(np.float64)
    assert found.rmse == pytest.approx(np.sqrt(np.mean(error**2)), abs=1e-9)
    assert found.mae == pytest.approx(np.mean(np.abs(error)), abs=1e-9)
    assert (found.num_rows, found.num_fallbacks) == (500, 40)
    assert found.coverage == pytest.approx(0.92, abs=1e-12)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), None])
def test_a_row_without_a_finite_prediction_is_an_error(
    spark: SparkSession, bad: float | None
) -> None:
    predictions = frame(spark, [3.0, 4.0], [3.0, bad], [None, None])
    with pytest.raises(DataError, match="x: found 1 rows without a finite prediction"):
        measure_accuracy(predictions, num_rows=2, where="x")


@pytest.mark.parametrize("num_rows", [1, 3])
def test_another_number_of_rows_than_test_is_an_error(spark: SparkSession, num_rows: int) -> None:
    predictions = frame(spark, [3.0, 4.0], [3.0, 3.0], [None, None])
    with pytest.raises(DataError, match=f"found 2 rows, expected {num_rows}"):
        measure_accuracy(predictions, num_rows=num_rows, where="x")


def test_an_empty_test_set_is_an_error(spark: SparkSession) -> None:
    with pytest.raises(DataError, match="found 0 rows"):
        measure_accuracy(frame(spark, [], [], []), num_rows=0, where="x")
