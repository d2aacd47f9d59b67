"""The recipes as slow, obvious NumPy over whole matrices: what the tests compare with."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def random_ratings(seed: int, num_users: int, num_movies: int, share: float) -> Floats:
    """Return [users, movies] of whole stars 1 … 5, NaN if not rated."""
    rng = np.random.default_rng(seed)
    ratings = rng.integers(1, 6, (num_users, num_movies)).astype(float)
    ratings[rng.random(ratings.shape) >= share] = np.nan
    return ratings


def cells(ratings: Floats) -> list[tuple[int, int, float]]:
    """Return the rated cells as (user, movie, rating)."""
    return [(int(u), int(m), float(ratings[u, m])) for u, m in np.argwhere(~np.isnan(ratings))]


def filled(ratings: Floats) -> Floats:
    """Return the rows of all users with each gap set to the user's mean (NaN: no ratings)."""
    sums, counts = np.nansum(ratings, axis=1), (~np.isnan(ratings)).sum(axis=1)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return np.where(np.isnan(ratings), means[:, None], ratings)


def nearest(ratings: Floats, user: int, count: int) -> list[tuple[int, float]]:
    """Return (user, cosine) of a user's nearest others, nearest first, ties by the lower index."""
    vectors = filled(ratings)[:, ~np.isnan(ratings).all(axis=0)]
    if np.isnan(vectors[user]).any():
        return []
    found = []
    for other in range(len(vectors)):
        if other != user and not np.isnan(vectors[other]).any():
            norm = np.linalg.norm(vectors[user]) * np.linalg.norm(vectors[other])
            # Rounded, so that ties of the exact arithmetic are ties here too.
            found.append((-round(float(vectors[user] @ vectors[other] / norm), 12), other))
    return [(other, -negative) for negative, other in sorted(found)[:count]]


def neighbor_mean(ratings: Floats, user: int, movie: int, count: int) -> float:
    """Return the recipe's prediction; NaN if the user or movie has no rating at all."""
    neighbors = nearest(ratings, user, count)
    if not neighbors or np.isnan(ratings[:, movie]).all():
        return float("nan")
    vectors = filled(ratings)
    weights = np.array([weight for _, weight in neighbors])
    values = np.array([vectors[other, movie] for other, _ in neighbors])
    return float((weights * values).sum() / weights.sum())


def bias_effects(
    ratings: Floats, reg_user: float, reg_movie: float
) -> tuple[float, Floats, Floats]:
    """Return mean, user effects and movie effects (NaN without a rating)."""
    num_users, num_movies = ratings.shape
    mean = float(np.nanmean(ratings))
    movies, users = np.full(num_movies, np.nan), np.full(num_users, np.nan)
    for movie in range(num_movies):
        given = [r - mean for r in ratings[:, movie] if not np.isnan(r)]
        if given:
            movies[movie] = sum(given) / (reg_movie + len(given))
    for user in range(num_users):
        left = [
            ratings[user, m] - mean - movies[m]
            for m in range(num_movies)
            if not np.isnan(ratings[user, m])
        ]
        if left:
            users[user] = sum(left) / (reg_user + len(left))
    return mean, users, movies
