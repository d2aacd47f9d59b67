"""Compiled loops over blocks of scores: what standardises each user's, and sums of z-scores.

Shape legend: M movies of the block, U users. Scores at or below -∞, and NaN, are no answer.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recspark.arrays.compiled import compiled

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]


@compiled
def add_moments(
    scores: Floats, counts: Doubles, sums: Doubles, squares: Doubles, lowest: Doubles
) -> None:
    """Add the answers of a block [M, U] to each user's number, sum and sum of squares, [U] each.

    `lowest` [U] becomes the lowest answer, if that is below it.
    """
    for movie in range(scores.shape[0]):
        row = scores[movie]
        for user in range(len(row)):
            is_known = row[user] > -np.inf
            value = np.float64(row[user]) if is_known else 0.0
            bound = value if is_known else np.inf
            counts[user] += 1.0 if is_known else 0.0
            sums[user] += value
            squares[user] += value * value
            lowest[user] = bound if bound < lowest[user] else lowest[user]


@compiled
def add_scores(
    scores: Floats,
    means: Doubles,
    scales: Doubles,
    floors: Doubles,
    before: Doubles,
    into: Floats,
) -> None:
    """Add (score - mean) · scale to a block of sums [M, U]; -∞ stays where nobody answered.

    Args:
        scores: [M, U], of one model.
        means: [U]
        scales: [U]
        floors: [U], what counts where this model has no answer and another one has.
        before: [U], the sum of the floors of the models added before.
        into: [M, U], sums of the models added before, -∞ where none of them answered.
    """
    for movie in range(scores.shape[0]):
        row, sums = scores[movie], into[movie]
        for user in range(len(row)):
            is_known, had = row[user] > -np.inf, sums[user] > -np.inf
            added = (row[user] - means[user]) * scales[user] if is_known else floors[user]
            total = (np.float64(sums[user]) if had else before[user]) + added
            sums[user] = np.float32(total) if is_known or had else np.float32(-np.inf)
