"""The weighted sum of the predictions of a blend's members."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

# A member's predictions, float32 [pairs], and its fallback flags [pairs].
Answers = tuple[npt.NDArray[np.float32], pa.StringArray]


def weigh(
    members: Sequence[Answers], weights: npt.NDArray[np.float64], intercept: float
) -> tuple[pa.FloatArray, pa.StringArray]:
    """Return (prediction, fallback) of each pair: intercept + Σ weight · prediction, not clipped.

    `fallback` is null if at least one member answered by itself, otherwise the members' own.

    Args:
        members: [M], each for the same pairs in the same order.
        weights: [M]
        intercept: In rating units.
    """
    total = np.full(len(members[0][0]), intercept)
    is_answered = np.zeros(len(total), bool)
    for (predictions, flags), weight in zip(members, weights, strict=True):
        total += weight * predictions
        is_answered |= flags.is_null().to_numpy(zero_copy_only=False)
    fallback = pc.if_else(pa.array(is_answered), None, members[0][1])
    return pa.array(total.astype(np.float32)), fallback
