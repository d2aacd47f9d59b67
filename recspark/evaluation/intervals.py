"""Whether the intervals that a model states hold as many ratings as they should.

The interval of a level is prediction ± z · standard deviation, with z of the normal distribution.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

LEVELS = (0.68, 0.95)
_FACTORS = np.array([NormalDist().inv_cdf((1 + level) / 2) for level in LEVELS])

Counts = npt.NDArray[np.float64]
"""Rows with a standard deviation, the sum of these, and the rows inside each level's interval."""


def no_counts() -> Counts:
    """Return the counts of no rows."""
    return np.zeros(2 + len(LEVELS))


def count_inside(rating: npt.NDArray, prediction: npt.NDArray, std: npt.NDArray) -> Counts:
    """Return the counts of some rows; those whose `std` is NaN are left out."""
    is_stated = ~np.isnan(std)
    stated = std[is_stated].astype(np.float64)
    error = np.abs(rating[is_stated].astype(np.float64) - prediction[is_stated])
    inside = [np.count_nonzero(error <= factor * stated) for factor in _FACTORS]
    return np.array([len(stated), stated.sum(), *inside], np.float64)


def list_levels(counts: Counts) -> list[dict[str, Any]]:
    """Return the share of rows inside each interval, and its mean width in rating units."""
    rows, total, *inside = counts.tolist()
    if not rows:
        return []
    return [
        {
            "level": level,
            "num_rows": int(rows),
            "covered": count / rows,
            "mean_width": 2 * factor * total / rows,
        }
        for level, factor, count in zip(LEVELS, _FACTORS.tolist(), inside, strict=True)
    ]
