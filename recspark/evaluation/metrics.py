"""How far predictions are off, in one pass, with nothing left out."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from recspark import columns as c
from recspark.errors import DataError, describe


@dataclass(frozen=True)
class Accuracy:
    """The error of one model on one test set; every row of it counts."""

    num_rows: int
    rmse: float
    """Root of the mean squared error, in rating units."""
    mae: float
    """Mean absolute error, in rating units."""
    coverage: float
    """Share of rows that the model itself answered, 0 to 1."""
    num_fallbacks: int
    """Rows that it did not answer and that the fallback chain did."""


def measure_accuracy(predictions: DataFrame, *, num_rows: int, where: str) -> Accuracy:
    """Return the accuracy over all rows, fallbacks included.

    Args:
        predictions: Rows with `rating`, `prediction`, `fallback`.
        num_rows: Rows that there must be: those of test.
        where: The data set's name, for messages.

    Raises:
        DataError: Another number of rows, none at all, or rows without a finite prediction.
    """
    error = F.col(c.PREDICTION).cast("double") - F.col(c.RATING).cast("double")
    # Null, NaN and infinite errors all fail this.
    is_finite = F.coalesce(F.abs(error) < math.inf, F.lit(False))
    [(count, bad, squares, absolutes, fallbacks)] = predictions.agg(
        F.count(F.lit(1)),
        F.count(F.when(~is_finite, 1)),
        F.sum(error * error),
        F.sum(F.abs(error)),
        F.count(c.FALLBACK),
    ).collect()
    if count != num_rows or num_rows == 0:
        found, expected = f"{count:,} rows", f"{num_rows:,}, one for each of test, and some"
    elif bad:
        found, expected = f"{bad:,} rows without a finite prediction", "none"
    else:
        return Accuracy(
            num_rows=count,
            rmse=math.sqrt(squares / count),
            mae=absolutes / count,
            coverage=1 - fallbacks / count,
            num_fallbacks=fallbacks,
        )
    remedy = "Run jobs/score.py with --force for this model."
    raise DataError(describe(where, found=found, expected=expected, remedy=remedy))
