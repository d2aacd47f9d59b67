"""How sure a figure of a group is, and which groups are too small to say anything."""

from __future__ import annotations

from statistics import NormalDist

MIN_COUNT = 200
"""Groups of fewer ratings (or users) are too small to tell: the 95% interval of an RMSE of 200
ratings is ± 10% of it. They are greyed, and no heading rests on one."""


def quantile(num_groups: int = 1) -> float:
    """Return the standard errors to either side of a 95% interval.

    Args:
        num_groups: Among how many groups extremes were looked for; all their intervals together
            then hold with 95% (Bonferroni).
    """
    return NormalDist().inv_cdf(1 - 0.025 / num_groups)
