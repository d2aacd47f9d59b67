"""How certain the figure of a group is, and which groups are too small for a conclusion."""

from __future__ import annotations

from statistics import NormalDist

MIN_COUNT = 200
"""Groups with fewer ratings (or users) are too small for a conclusion: the 95% interval of an RMSE
over 200 ratings is ± 10% of it. Small groups are grey, and headings ignore them."""


def quantile(num_groups: int = 1) -> float:
    """Return the half width of a 95% interval in standard errors.

    Args:
        num_groups: Number of groups among which extremes were chosen. All their intervals hold
            together with 95% (Bonferroni).
    """
    return NormalDist().inv_cdf(1 - 0.025 / num_groups)
