"""95% intervals of the figures of a group, from the sums in `metrics/<model>.json`.

A group has no resamples, so its interval comes from the formulas below. They assume normal and
independent errors. The errors of one user are correlated, however, and errors have longer tails.
Therefore all intervals are widened by one factor: the bootstrap's interval of the whole test set
divided by the interval that the formula gives for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from recspark.evaluation import slices
from recspark.page.certainty import MIN_COUNT, quantile

Group = Mapping[str, Any]

EXPLAINED = (
    "The 95% intervals follow from the number, mean and spread of a group's errors. They are "
    "widened by the factor by which the bootstrap over users widens the interval of the whole test "
    "set."
)


def is_few(group: Group) -> bool:
    """Return whether a group is too small for a conclusion."""
    return bool(group["num_rows"] < MIN_COUNT)


def rmse_standard_error(group: Group) -> float:
    """Return the standard error of a group's RMSE (rating units).

    If errors have mean m and variance v, the square of an error has variance 2v² + 4m²v. To first
    order, the variance of the RMSE is that of the mean square divided by (2 · RMSE)².
    """
    mean, rmse = group["mean_error"], group["rmse"]
    if not rmse:
        return 0.0
    variance = max(rmse**2 - mean**2, 0.0)
    squares = 2 * variance**2 + 4 * mean**2 * variance
    return float(math.sqrt(squares / group["num_rows"]) / (2 * rmse))


def mean_error_standard_error(group: Group) -> float:
    """Return the standard error of a group's mean error (rating units)."""
    variance = max(group["rmse"] ** 2 - group["mean_error"] ** 2, 0.0)
    return float(math.sqrt(variance / group["num_rows"]))


def find_widening(metrics: Mapping[str, Any]) -> float:
    """Return how many times wider the bootstrap's interval of the RMSE is than the formula's.

    The factor is at least 1.

    Args:
        metrics: The content of `metrics/<model>.json`.
    """
    groups = metrics["cuts"][slices.FALLBACKS]
    mean = sum(group["mean_error"] * group["num_rows"] for group in groups) / metrics["num_rows"]
    whole = {"mean_error": mean, "rmse": metrics["rmse"], "num_rows": metrics["num_rows"]}
    low, high = metrics["rmse_interval"]
    half = quantile() * rmse_standard_error(whole)
    return max((high - low) / 2 / half, 1.0) if half else 1.0


def find_extremes(groups: Sequence[Group], widening: float) -> tuple[Group, Group, bool] | None:
    """Return the groups of lowest and highest RMSE, and whether the test set distinguishes them.

    Groups that are too small do not count. Returns None if fewer than two groups are left.
    """
    large = [group for group in groups if not is_few(group)]
    if len(large) < 2:
        return None
    low, high = (pick(large, key=lambda group: group["rmse"]) for pick in (min, max))
    reach = quantile(len(large)) * widening
    # The groups hold different ratings, so this is the interval of a difference.
    apart = reach * math.hypot(rmse_standard_error(low), rmse_standard_error(high))
    return low, high, bool(high["rmse"] - low["rmse"] > apart)
