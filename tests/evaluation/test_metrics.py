from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession

from recspark.errors import DataError
from recspark.evaluation.bootstrap import draw_weights
from recspark.evaluation.metrics import measure_models
from tests.evaluation.samples import (
    NUM_MOVIES,
    NUM_ROWS,
    NUM_USERS,
    Sample,
    random_sample,
    write_frame,
    write_predictions,
)

SAMPLE, OTHER = random_sample(1), random_sample(2)
OTHER = dataclasses.replace(
    SAMPLE, prediction=OTHER.prediction, fallback=OTHER.fallback
)  # another model on the same test


def measured(spark: SparkSession, root: Path, num_buckets: int) -> dict[str, dict[str, Any]]:
    rows = write_predictions(root / "one", SAMPLE, num_buckets)
    write_predictions(root / "two", OTHER, num_buckets)
    frame = write_frame(root / "train", SAMPLE, num_buckets)
    paths = {name: str(root / name) for name in ("one", "two")}
    return measure_models(spark, paths, frame, rows)


@pytest.fixture(scope="module")
def figures(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Any]]:
    return measured(spark, tmp_path_factory.mktemp("metrics"), num_buckets=4)


def expected_group(sample: Sample, chosen: np.ndarray) -> dict[str, Any]:
    error = sample.error[chosen]
    return {
        "num_rows": int(chosen.sum()),
        "rmse": np.sqrt(np.mean(error**2)),
        "mae": np.mean(np.abs(error)),
        "mean_error": np.mean(error),
        "mean_prediction": np.mean(sample.prediction[chosen].astype(np.float64)),
        "mean_rating": np.mean(sample.rating[chosen].astype(np.float64)),
    }


def month_of(seconds: int | None) -> str | None:
    if seconds is None:
        return None
    return str(datetime(1970, 1, 1) + timedelta(seconds=seconds))[:7]


def check_groups(
    rows: list[dict[str, Any]], sample: Sample, chooser: Callable[[dict[str, Any]], np.ndarray]
) -> None:
    """Each group equals NumPy over the rows that `chooser` picks; together they are all rows."""
    total = np.zeros(NUM_ROWS, int)
    for row in rows:
        chosen = chooser(row)
        total += chosen
        for name, value in expected_group(sample, chosen).items():
            assert row[name] == pytest.approx(value, abs=1e-9), (row, name)
    assert (total == 1).all()


@pytest.mark.parametrize(("name", "sample"), [("one", SAMPLE), ("two", OTHER)])
def test_figures_are_those_of_numpy(
    figures: dict[str, dict[str, Any]], name: str, sample: Sample
) -> None:
    found = figures[name]
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean(sample.error**2)), abs=1e-9)
    assert found["mae"] == pytest.approx(np.mean(np.abs(sample.error)), abs=1e-9)
    assert found["num_rows"] == NUM_ROWS
    assert found["num_users"] == len(set(sample.user.tolist()))
    flagged = sum(flag is not None for flag in sample.fallback)
    assert found["num_fallbacks"] == flagged
    assert found["coverage"] == pytest.approx(1 - flagged / NUM_ROWS, abs=1e-12)


@pytest.mark.parametrize(("name", "sample"), [("one", SAMPLE), ("two", OTHER)])
def test_slices_are_those_of_numpy(
    figures: dict[str, dict[str, Any]], name: str, sample: Sample
) -> None:
    by_slice = figures[name]["cuts"]
    activity = np.bincount(sample.train_user, minlength=NUM_USERS)[sample.user]
    popularity = np.bincount(sample.train_movie, minlength=NUM_MOVIES)[sample.movie]
    flags = np.array([flag or "model" for flag in sample.fallback])
    months = np.array([month_of(seconds) for seconds in sample.rated_at])
    assert None in months
    assert 0 in activity
    assert 0 in popularity
    for key, values in (("user_activity", activity), ("movie_popularity", popularity)):
        check_groups(
            by_slice[key], sample, lambda row, v=values: (row["from"] <= v) & (v <= row["to"])
        )
        assert [row["from"] for row in by_slice[key]] == sorted(
            row["from"] for row in by_slice[key]
        )
    check_groups(by_slice["rating_value"], sample, lambda row: sample.rating == row["rating"])
    check_groups(by_slice["month"], sample, lambda row: months == row["month"])
    assert [row["month"] is None for row in by_slice["month"]].index(True) + 1 == len(
        by_slice["month"]
    )
    check_groups(by_slice["fallbacks"], sample, lambda row: flags == row["answered_by"])
    check_groups(
        figures[name]["calibration"],
        sample,
        lambda row: (row["from"] <= sample.prediction) & (sample.prediction < row["to"]),
    )


def test_interval_is_that_of_resampled_rows(figures: dict[str, dict[str, Any]]) -> None:
    weights = draw_weights(np.arange(NUM_USERS), 30, seed=5)
    expected = []
    for weight in weights:
        repeated = np.repeat(np.arange(NUM_ROWS), weight[SAMPLE.user])
        expected.append(np.sqrt(np.mean(SAMPLE.error[repeated] ** 2)))
    drawn = figures["one"]["bootstrap"]
    assert drawn["rmse"] == pytest.approx(expected, abs=1e-9)
    assert (drawn["resamples"], drawn["seed"], drawn["unit"]) == (30, 5, "user")
    assert figures["one"]["rmse_interval"] == pytest.approx(
        [np.percentile(expected, 2.5), np.percentile(expected, 97.5)], abs=1e-9
    )


def test_buckets_change_nothing(
    figures: dict[str, dict[str, Any]], spark: SparkSession, tmp_path: Path
) -> None:
    again = measured(spark, tmp_path, num_buckets=7)
    for name in ("one", "two"):
        assert again[name]["bootstrap"]["rmse"] == pytest.approx(
            figures[name]["bootstrap"]["rmse"], abs=1e-12
        )
        assert again[name]["rmse"] == pytest.approx(figures[name]["rmse"], abs=1e-12)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_row_without_a_finite_prediction_is_an_error(
    spark: SparkSession, tmp_path: Path, bad: float
) -> None:
    prediction = SAMPLE.prediction.copy()
    prediction[[3, 500]] = bad
    rows = write_predictions(tmp_path / "p", dataclasses.replace(SAMPLE, prediction=prediction), 2)
    frame = write_frame(tmp_path / "train", SAMPLE, 2)
    with pytest.raises(DataError, match="p: found 2 rows without a finite prediction"):
        measure_models(spark, {"p": str(tmp_path / "p")}, frame, rows)


@pytest.mark.parametrize("change", ["lost", "added", "no bucket"])
def test_a_number_of_rows_that_differs_from_test_is_an_error(
    spark: SparkSession, tmp_path: Path, change: str
) -> None:
    rows = write_predictions(tmp_path / "p", SAMPLE, 2)
    frame = write_frame(tmp_path / "train", SAMPLE, 2)
    if change == "no bucket":
        shutil.rmtree(tmp_path / "p" / "bucket=1")
    else:
        rows[1] += 1 if change == "lost" else -1
    with pytest.raises(DataError, match=f"bucket 1: found .* rows, expected {rows[1]}, one for"):
        measure_models(spark, {"p": str(tmp_path / "p")}, frame, rows)


def test_an_empty_test_set_is_an_error(spark: SparkSession, tmp_path: Path) -> None:
    frame = write_frame(tmp_path / "train", SAMPLE, 2)
    with pytest.raises(DataError, match="test: found no rows"):
        measure_models(spark, {"p": str(tmp_path / "p")}, frame, {0: 0})


@pytest.mark.parametrize("column", ["user", "movie"])
def test_ids_of_another_index_are_an_error(
    spark: SparkSession, tmp_path: Path, column: str
) -> None:
    values = getattr(SAMPLE, column).copy()
    values[0] = 10_000
    broken = dataclasses.replace(SAMPLE, **{column: values})
    rows = write_predictions(tmp_path / "p", broken, 2)
    frame = write_frame(tmp_path / "train", SAMPLE, 2)
    with pytest.raises(Exception, match=rf"1 rows like .*{column}_index 10000"):
        measure_models(spark, {"p": str(tmp_path / "p")}, frame, rows)


@pytest.mark.parametrize(("level", "factor"), [(0.68, 0.994458), (0.95, 1.959964)])
def test_intervals_count_the_ratings_inside(
    figures: dict[str, dict[str, Any]], level: float, factor: float
) -> None:
    rows = [
        (abs(error), std)
        for error, std in zip(SAMPLE.error, SAMPLE.std, strict=True)
        if std is not None
    ]
    [one] = [row for row in figures["one"]["intervals"] if row["level"] == level]
    assert one["num_rows"] == len(rows) < NUM_ROWS
    inside = sum(error <= factor * std for error, std in rows)
    assert one["covered"] == pytest.approx(inside / len(rows), abs=1e-9)
    width = 2 * factor * sum(std for _, std in rows) / len(rows)
    assert one["mean_width"] == pytest.approx(width, rel=1e-5)


def test_without_standard_deviations_there_are_no_intervals(
    spark: SparkSession, tmp_path: Path
) -> None:
    without = dataclasses.replace(SAMPLE, std=[None] * NUM_ROWS)
    rows = write_predictions(tmp_path / "one", without, 4)
    frame = write_frame(tmp_path / "train", SAMPLE, 4)
    found = measure_models(spark, {"one": str(tmp_path / "one")}, frame, rows)
    assert found["one"]["intervals"] == []
