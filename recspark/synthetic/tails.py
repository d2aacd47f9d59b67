"""Long tails: how eagerly users rate, how popular movies are, and the counts that follow.

User u has rated movie m with probability 1 - exp(-t·a_u·b_m). The curves of a and b were fitted
so that at the counts of the Netflix Prize the margins match (ratings per user: quartiles 39, 96,
259, largest 17,000; per movie: quartiles 192, 561, 2,668, largest 232,000). At other counts, t is
chosen to match the total. No user can have more ratings than there are movies, however dense the
data.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Normal score of the rank, and eagerness (or popularity) relative to the mean at full size.
_USER_Z = (-3.09, -1.64, -0.67, 0.0, 0.67, 1.28, 1.64, 2.33, 3.09, 3.72, 4.75)
_USER_A = (0.0022, 0.0464, 0.1275, 0.326, 0.948, 2.23, 3.62, 9.17, 29.1, 91.9, 14433.0)
_MOVIE_Z = (-4.03, -1.64, -0.67, 0.0, 0.67, 1.28, 1.64, 2.33, 4.03)
_MOVIE_B = (0.0014, 0.0091, 0.0251, 0.074, 0.3605, 1.892, 4.9, 21.23, 107.4)

# Weights are whole numbers, so that users can be drawn from a table with one slot per unit.
MEAN_WEIGHT = 32
_GRID = 256
_BISECTIONS = 60


def user_weights(num_users: int) -> NDArray[np.int32]:
    """Return each rank's eagerness as a whole number of 1 or more, ascending; mean about 32."""
    eagerness = _curve(_scores(num_users), _USER_Z, _USER_A)
    scaled = np.rint(eagerness * (MEAN_WEIGHT / eagerness.mean()))
    return np.maximum(scaled, 1).astype(np.int32)


def expected_counts(
    weights: NDArray[np.int32], num_movies: int, total: int
) -> tuple[Floats, Floats]:
    """Return the expected number of ratings of each user and of each movie rank (ascending).

    Args:
        weights: From `user_weights`.
        num_movies: Movies.
        total: Total number of ratings; both results sum to about this.
    """
    levels, inverse, sizes = np.unique(weights, return_inverse=True, return_counts=True)
    grid = _curve(_scores(_GRID), _MOVIE_Z, _MOVIE_B)
    per_movie = num_movies / _GRID

    def chances(log_t: float) -> Floats:
        return -np.expm1(-np.exp(log_t) * np.outer(levels, grid))

    low, high = -60.0, 30.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if sizes @ chances(middle).sum(axis=1) * per_movie < total:
            low = middle
        else:
            high = middle
    chance = chances(high)
    of_users = chance.sum(axis=1) * per_movie
    scores = _scores(num_movies)
    # Movies' scores may lie beyond the grid: extend it by the lowest and the highest of them.
    ends = _curve(scores[[0, -1]], _MOVIE_Z, _MOVIE_B)
    points = np.concatenate([ends[:1], grid, ends[1:]])
    order = np.argsort(points, kind="stable")
    at_points = sizes @ -np.expm1(-np.exp(high) * np.outer(levels, points))
    popularity = _curve(scores, _MOVIE_Z, _MOVIE_B)
    of_movies = np.exp(
        np.interp(np.log(popularity), np.log(points[order]), np.log(at_points[order]))
    )
    return of_users[inverse.reshape(-1)], of_movies


def exposures(weights: NDArray[np.int32], counts: NDArray[np.generic]) -> Floats:
    """Return each movie's x, with which user u rates it with probability 1 - exp(-x · weight_u).

    Args:
        weights: Weight of each user.
        counts: Expected number of ratings of each movie, below the number of users.
    """
    levels, sizes = np.unique(weights, return_counts=True)
    logs = np.linspace(-np.log(levels[-1]) - 30, 5, _GRID * 4)
    reached = np.array([sizes @ -np.expm1(-np.exp(log) * levels) for log in logs])
    return np.exp(np.interp(np.asarray(counts, dtype=np.float64), reached, logs))


def apportion(shares: NDArray[np.generic], total: int, caps: NDArray[np.generic]) -> Ints:
    """Return integer counts in proportion to `shares` that sum to `total`, none above its cap.

    The excess over a cap goes to the others; `total` must not exceed the sum of the caps.
    """
    weights = np.asarray(shares, dtype=np.float64) + 1e-12
    limits = np.asarray(caps, dtype=np.int64)
    capped = np.zeros(len(weights), dtype=bool)
    while True:
        left = total - int(limits[capped].sum())
        quotas = np.where(capped, 0, weights * (left / max(weights[~capped].sum(), 1e-12)))
        over = ~capped & (quotas >= limits)
        if not over.any():
            break
        capped |= over
    counts = np.where(capped, limits, np.floor(quotas).astype(np.int64))
    # Largest remainders first; capped counts have none.
    remainders = np.where(capped, -1, quotas - counts)
    counts[np.argsort(-remainders, kind="stable")[: total - int(counts.sum())]] += 1
    return counts


def _scores(num: int) -> Floats:
    return np.asarray(ndtri((np.arange(num) + 0.5) / num))


def _curve(scores: Floats, knots: tuple[float, ...], values: tuple[float, ...]) -> Floats:
    return np.exp(np.interp(scores, knots, np.log(values)))
