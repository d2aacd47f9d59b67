"""Error figures of any number of models, in one pass over their rows.

`metrics/<model>.json` holds the model's name and protocol, then what `measure_models` returns, then
the top-N figures (`recspark.evaluation.top_n`):

    num_rows, num_users      rows of test, and users with a row
    rmse, mae                over all rows, fallbacks included (rating units)
    rmse_interval            [low, high], 95 % of the resamples of the users
    coverage, num_fallbacks  share of rows that the model answered itself (0 to 1); rows it did not
    cuts                     the slices: user_activity, movie_popularity (by ratings in train,
                             `from` – `to`), rating_value, month (null: rows
                             without a time), fallbacks (`answered_by`: model, or the
                             fallback)
    intervals                where the model states standard deviations: for each `level`, the
                             share of ratings inside the interval (`covered`), its `mean_width`
    calibration              by predicted rating, `from` – `to`: mean_prediction against mean_rating
    bootstrap                resamples, seed, level, and the RMSE in each resample

Each group of a slice has num_rows, rmse, mae, mean_error (prediction − rating), mean_prediction,
mean_rating.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
from pyspark.sql import SparkSession

from recspark.cluster.tasks import broadcast, spread
from recspark.errors import DataError, describe
from recspark.evaluation import bootstrap, intervals, slices
from recspark.evaluation.sums import Frame, Sums, sum_bucket

Figures = dict[str, Any]


def measure_models(
    spark: SparkSession,
    predictions: Mapping[str, str],
    frame: Frame,
    bucket_rows: Mapping[int, int],
) -> dict[str, Figures]:
    """Return the figures of each model; every row of test counts in every one.

    One task a bucket. Sums are added in the order of the buckets, so no figure depends on the
    number or the order of the tasks.

    Args:
        spark: The session whose tasks measure.
        predictions: Model to the path of its predictions, stored by bucket.
        frame: What the models are measured against.
        bucket_rows: Bucket to its expected rows, from test's manifest.

    Raises:
        DataError: Test is empty; a bucket has a different number of rows, ids of another bucket,
            or rows without a finite prediction.
    """
    buckets = sorted(bucket for bucket, rows in bucket_rows.items() if rows)
    if not buckets:
        remedy = "Run jobs/prepare.py with another prepare.split or test share."
        raise DataError(describe("test", found="no rows", expected="some", remedy=remedy))
    paths = dict(predictions)
    with broadcast(spark.sparkContext, frame) as shared:
        by_bucket = (
            spread(spark, buckets, len(buckets))
            .map(lambda bucket: sum_bucket(bucket, paths, shared.value))
            .collect()
        )
    figures = {}
    for name, path in paths.items():
        parts = [part[name] for part in by_bucket]
        _check_rows(path, dict(zip(buckets, parts, strict=True)), bucket_rows)
        figures[name] = _figures(parts, frame)
    return figures


def _check_rows(path: str, parts: Mapping[int, Sums], expected: Mapping[int, int]) -> None:
    remedy = "Run jobs/score.py with --force for this model."
    for bucket, sums in parts.items():
        found = int(_total(sums)[slices.ROWS]) + sums.num_bad
        if found != expected[bucket]:
            raise DataError(
                describe(
                    f"{path}, bucket {bucket}",
                    found=f"{found:,} rows",
                    expected=f"{expected[bucket]:,}, one for each of test",
                    remedy=remedy,
                )
            )
    bad = sum(sums.num_bad for sums in parts.values())
    if bad:
        problem = f"{bad:,} rows without a finite prediction"
        raise DataError(describe(path, found=problem, expected="none", remedy=remedy))


def _total(sums: Sums) -> slices.FloatArray:
    groups = sums.by_slice.get(slices.FALLBACKS, {}).values()
    return functools.reduce(np.add, groups, np.zeros(slices.MEASURES))


def _figures(parts: list[Sums], frame: Frame) -> Figures:
    """Return one model's figures from the sums of its buckets."""
    sums = Sums(0, {}, 0, np.zeros((frame.num_resamples, 2)))
    for part in parts:
        sums.add(part)
    total = _total(sums)
    rows = total[slices.ROWS]
    answered = sums.by_slice[slices.FALLBACKS].get(slices.MODEL, np.zeros(slices.MEASURES))[
        slices.ROWS
    ]
    resampled_rows, resampled_squares = sums.resampled.T
    # A resample of very few users can be empty; the figure itself then takes its place.
    resampled = np.sqrt(
        np.divide(
            resampled_squares,
            resampled_rows,
            out=np.full(frame.num_resamples, total[slices.SQUARED] / rows),
            where=resampled_rows > 0,
        )
    )
    return {
        "num_rows": int(rows),
        "num_users": sums.num_users,
        "rmse": float(np.sqrt(total[slices.SQUARED] / rows)),
        "rmse_interval": list(bootstrap.interval(resampled)),
        "mae": float(total[slices.ABSOLUTE] / rows),
        "coverage": float(answered / rows),
        "num_fallbacks": int(rows - answered),
        "cuts": {
            name: slices.list_groups(sums.by_slice, name)
            for name in (
                slices.USER_ACTIVITY,
                slices.MOVIE_POPULARITY,
                slices.RATING_VALUE,
                slices.MONTH,
                slices.FALLBACKS,
            )
        },
        "intervals": intervals.list_levels(sums.intervals),
        "calibration": slices.list_groups(sums.by_slice, slices.CALIBRATION),
        "bootstrap": {
            "unit": "user",
            "level": bootstrap.LEVEL,
            "resamples": frame.num_resamples,
            "seed": frame.seed,
            "rmse": resampled.tolist(),
        },
    }
