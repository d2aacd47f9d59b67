"""Slices of the rows for which errors are reported: a key for each row, and what it means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from recspark.arrays.ratings import LAST_TIME, NO_TIME, SECONDS_A_DAY

FloatArray = npt.NDArray[np.float64]
Key = int | str
# Key of a group to the sums over its rows, in the order of MEASURES.
Groups = dict[Key, FloatArray]

# Rows, Σ error, Σ |error|, Σ error², Σ prediction; an error is prediction − rating.
MEASURES = 5
ROWS, ERROR, ABSOLUTE, SQUARED, PREDICTION = range(MEASURES)

USER_ACTIVITY = "user_activity"
MOVIE_POPULARITY = "movie_popularity"
RATING_VALUE = "rating_value"
MONTH = "month"
FALLBACKS = "fallbacks"
CALIBRATION = "calibration"

# Name in the slice `fallbacks` for the rows that the model answered itself.
MODEL = "model"

# Ratings are grouped by the nearest half star, predictions by the nearest quarter.
_RATING_STEPS = 2
_CALIBRATION_STEPS = 4

_NO_DAY = NO_TIME // SECONDS_A_DAY
# Of rows without a time: above every month.
_NO_MONTH = 10_000
# Month (since 1970-01) of each day that 32 bits of seconds reach, the day of NO_TIME first.
_MONTHS = (
    np.arange(_NO_DAY, LAST_TIME // SECONDS_A_DAY + 1)
    .astype("datetime64[D]")
    .astype("datetime64[M]")
    .astype(int)
)
_MONTHS[0] = _NO_MONTH


def measure_rows(rating: npt.NDArray, prediction: npt.NDArray) -> FloatArray:
    """Return the summands of each row, [MEASURES, rows] in double precision."""
    predicted = prediction.astype(np.float64)
    error = predicted - rating
    return np.stack([np.ones_like(error), error, np.abs(error), error * error, predicted])


def add_rows(groups: Groups, keys: npt.NDArray[np.integer], measures: FloatArray) -> None:
    """Add rows to the sums of their groups.

    Args:
        groups: Changed in place.
        keys: [rows], small whole numbers, negative ones allowed.
        measures: [MEASURES, rows]
    """
    if not len(keys):
        return
    lowest = int(keys.min())
    shifted = keys - lowest
    sums = np.stack([np.bincount(shifted, weights=values) for values in measures], axis=1)
    for position in np.flatnonzero(sums[:, ROWS]):
        add_sums(groups, lowest + int(position), sums[position])


def add_sums(groups: Groups, key: Key, sums: FloatArray) -> None:
    """Add sums to a group, which is created if missing."""
    groups[key] = groups[key] + sums if key in groups else sums


def support_key(num_ratings: npt.NDArray[np.integer]) -> npt.NDArray[np.int32]:
    """Return the bit length of each count: 0 → 0, 1 → 1, 2–3 → 2, 4–7 → 3 and so on."""
    return np.frexp(num_ratings.astype(np.float64))[1]


def rating_key(rating: npt.NDArray) -> npt.NDArray[np.int32]:
    """Return each rating in half stars."""
    return np.rint(rating * _RATING_STEPS).astype(np.int32)


def calibration_key(prediction: npt.NDArray) -> npt.NDArray[np.int32]:
    """Return each prediction in quarter stars."""
    return np.rint(prediction * _CALIBRATION_STEPS).astype(np.int32)


def month_key(rated_at: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Return the months since 1970-01 of seconds since 1970; rows with NO_TIME have a key above."""
    return _MONTHS[rated_at // SECONDS_A_DAY - _NO_DAY]


def describe_support(key: Any) -> dict[str, Any]:
    """Return the fewest and the most ratings of a group of `support_key`."""
    return {"from": 2 ** (key - 1) if key else 0, "to": 2**key - 1}


def _describe_month(key: Any) -> dict[str, Any]:
    return {"month": None if key == _NO_MONTH else str(np.datetime64(int(key), "M"))}


def _describe_calibration(key: Any) -> dict[str, Any]:
    half = 0.5 / _CALIBRATION_STEPS
    centre = key / _CALIBRATION_STEPS
    return {"from": centre - half, "to": centre + half}


_DESCRIBE: dict[str, Callable[[Any], dict[str, Any]]] = {
    USER_ACTIVITY: describe_support,
    MOVIE_POPULARITY: describe_support,
    RATING_VALUE: lambda key: {"rating": key / _RATING_STEPS},
    MONTH: _describe_month,
    FALLBACKS: lambda key: {"answered_by": key},
    CALIBRATION: _describe_calibration,
}


def list_groups(by_slice: Mapping[str, Groups], name: str) -> list[dict[str, Any]]:
    """Return the groups of one slice, ordered by key: what each is, then its figures.

    `mean_error` is prediction − rating, so above 0 the model overestimates.
    """
    groups = by_slice[name]
    rows = []
    for key in sorted(groups, key=lambda key: (isinstance(key, str), key)):
        count, error, absolute, squared, prediction = groups[key].tolist()
        rows.append(
            {
                **_DESCRIBE[name](key),
                "num_rows": int(count),
                "rmse": float(np.sqrt(squared / count)),
                "mae": absolute / count,
                "mean_error": error / count,
                "mean_prediction": prediction / count,
                "mean_rating": (prediction - error) / count,
            }
        )
    return rows
