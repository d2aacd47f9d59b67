"""EASE and nearest movies as dense NumPy over whole matrices, and ratings to fit them on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from recspark.baselines.gram import GramPlan
from recspark.datasets.signal import Signal
from tests.baselines import dense
from tests.training.jobs import write_bucket

NUM_USERS, NUM_MOVIES, NUM_BUCKETS = 43, 17, 4
RATINGS = dense.random_ratings(5, NUM_USERS, NUM_MOVIES, 0.4)
RATINGS[7], RATINGS[:, 5] = np.nan, np.nan
STARS = Signal((1.0, 2.0, 3.0, 4.0, 5.0), (0.0, 0.2, 0.5, 1.0, 1.3))
LIKES = Signal((1.0,), (1.0,), lowest=4)
EVENTS = Signal((1.0,), (1.0,))


def weights(signal: Signal, ratings: np.ndarray = RATINGS) -> np.ndarray:
    """Return X, [users, movies], 0 where there is no rating."""
    steps = np.interp(np.nan_to_num(ratings), signal.ratings, signal.weights)
    return np.where(np.nan_to_num(ratings, nan=-1) >= max(signal.lowest, 0), steps, 0)


def gram(x: np.ndarray, user_weight: float) -> np.ndarray:
    """Return Σ_u ω_u x_u x_uᵀ, one user after the other."""
    counts = (x > 0).sum(axis=1)
    mean = counts[counts > 0].mean()
    total = np.zeros((x.shape[1], x.shape[1]))
    for row, count in zip(x, counts, strict=True):
        if count:
            total += (count / mean) ** -user_weight * np.outer(row, row)
    return total


def ease(x: np.ndarray, reg: float, dropout: float, user_weight: float) -> np.ndarray:
    """Return B by the formula."""
    g = gram(x, user_weight)
    inverse = np.linalg.inv(
        g + reg * np.eye(len(g)) + dropout / (1 - dropout) * np.diag(np.diag(g))
    )
    found = -inverse / np.diag(inverse)
    np.fill_diagonal(found, 0)
    return found


def sparse_ease(
    x: np.ndarray, reg: float, dropout: float, user_weight: float, num_neighbors: int
) -> np.ndarray:
    """Return B of the nearest movies, one regression after the other."""
    g = gram(x, user_weight)
    known, found = [int(k) for k in np.flatnonzero(np.diag(g))], np.zeros_like(g)
    for movie in known:
        cosines = {k: g[movie, k] / (g[movie, movie] * g[k, k]) ** 0.5 for k in known}
        near = sorted(set(known) - {movie}, key=lambda k: (-cosines[k], k))[:num_neighbors]
        matrix = g[np.ix_(near, near)] + reg * np.eye(len(near))
        matrix += dropout / (1 - dropout) * np.diag(np.diag(g)[near])
        found[near, movie] = np.linalg.inv(matrix) @ g[near, movie]
    return found


def nearest(
    x: np.ndarray, num_neighbors: int, shrinkage: float, asymmetry: float, user_weight: float
) -> np.ndarray:
    """Return similarities [rated movie, listed movie], pair by pair."""
    g = gram(x, user_weight)
    found = np.zeros_like(g)
    for listed in range(len(g)):
        for rated in range(len(g)):
            if rated != listed and g[rated, listed] > 0:
                scale = g[rated, rated] ** asymmetry * g[listed, listed] ** (1 - asymmetry)
                found[rated, listed] = g[rated, listed] / (scale + shrinkage)
        order = sorted(range(len(g)), key=lambda k: (-found[k, listed], k))
        found[order[num_neighbors:], listed] = 0
    return found


def write(root: Path, ratings: np.ndarray = RATINGS, num_buckets: int = NUM_BUCKETS) -> str:
    """Write the ratings as train, in no order, and return its path."""
    users, movies = np.argwhere(~np.isnan(ratings)).T
    mixed = np.random.default_rng(1).permutation(len(users))
    users, movies = users[mixed], movies[mixed]
    for bucket in range(num_buckets):
        mine = users % num_buckets == bucket
        cells = users[mine], movies[mine], ratings[users[mine], movies[mine]]
        write_bucket(root, bucket, *cells)
    return str(root)


def plan(*paths: str, **changes: object) -> GramPlan:
    settings: dict[str, object] = {
        "num_users": NUM_USERS,
        "num_movies": NUM_MOVIES,
        "num_buckets": NUM_BUCKETS,
        "signal": STARS,
        "user_weight": 0.5,
        "is_whole": False,
    }
    return GramPlan(paths=paths, **{**settings, **changes})  # type: ignore[arg-type]
