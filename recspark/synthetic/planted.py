"""The model that generates the ratings, so that the irreducible error is known.

A pair's mean is user effect + movie effect + taste_u · taste_m + (trend + drift_u + drift_m)·time,
Gaussian noise is added, and the sum is rounded at four cut points. The cut points are chosen so
that the shares of the ratings 1 to 5 are those of the Netflix Prize. Effects have mean 0 over the
ratings, so all values are in rating units relative to the mean rating. Only taste_u · taste_m has a
mean above 0 where people rate what is to their taste (`pull.py`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from recspark.synthetic.calendar import sample_times
from recspark.synthetic.streams import Purpose, stream

TASTE_RANK = 4
USER_EFFECT_STD = 0.42
MOVIE_EFFECT_STD = 0.40
TASTE_STD = 0.36  # of the dot product over all dimensions
TREND = 0.20  # over all six years
DRIFT_STD = 0.25  # over all six years, for users and for movies
NOISE_STD = 0.86
RATING_SHARES = (0.046, 0.101, 0.287, 0.336, 0.230)
MIDDLE_TIME = 0.75  # where drift is 0; about the mean time of a rating

_SAMPLE_PAIRS = 400_000

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Ints = NDArray[np.int64]
Users = NDArray[np.int32]


@dataclass(frozen=True)
class Planted:
    """Parameters of N users and M movies; taste is [TASTE_RANK, N] and [TASTE_RANK, M]."""

    user_effect: Floats32
    user_drift: Floats32
    user_taste: Floats32
    movie_effect: Floats32
    movie_drift: Floats32
    movie_taste: Floats32
    cuts: tuple[float, ...]
    """The 4 cut points, ascending: a sum above cut k (from 0) gives a rating of k + 2 or more."""


def taste_scale() -> float:
    """Return the standard deviation of each dimension of taste.

    The sum of TASTE_RANK products of two standard normals has a variance of TASTE_RANK.
    """
    return (TASTE_STD**2 / TASTE_RANK) ** 0.25


def balance(choice: float) -> float:
    """Return k of `pull.py`, with a = choice · taste_scale² in its formula."""
    return float((math.sqrt(1 + 4 * (choice * taste_scale() ** 2) ** 2) - 1) / 2)


def plant(
    seed: int,
    user_counts: Floats,
    movie_counts: Ints,
    joined: Floats32,
    opened: Floats32,
    choice: float,
    rates: tuple[NDArray[np.int32], Floats],
) -> Planted:
    """Return the parameters, standardised over the ratings.

    Args:
        seed: The data set's seed.
        user_counts: Expected ratings of each user [N].
        movie_counts: Ratings of each movie [M].
        joined: When each user joins [N].
        opened: When each movie is released [M].
        choice: How strongly taste decides which movies a user rates.
        rates: [N] and [M]; without taste, a user rates a movie with probability 1 - exp(-product).
    """
    draw = stream(seed, Purpose.EFFECTS)
    user_side = _standard_normal(draw, TASTE_RANK + 2, user_counts)
    movie_side = _standard_normal(draw, TASTE_RANK + 2, movie_counts)
    scale = np.float32(taste_scale())
    parts = {
        "user_effect": user_side[0] * np.float32(USER_EFFECT_STD),
        "user_drift": user_side[1] * np.float32(DRIFT_STD),
        "user_taste": user_side[2:] * scale,
        "movie_effect": movie_side[0] * np.float32(MOVIE_EFFECT_STD),
        "movie_drift": movie_side[1] * np.float32(DRIFT_STD),
        "movie_taste": movie_side[2:] * scale,
    }
    rough = Planted(**parts, cuts=())
    pairs = stream(seed, Purpose.CUTS)
    users = _sample_by(pairs, user_counts)
    movies = _sample_by(pairs, movie_counts)
    times = sample_times(pairs, joined[users], opened[movies])
    sums = add_noise(pairs, planted_means(rough, users, movies, times))
    below = np.cumsum(RATING_SHARES)[:-1]
    if choice:
        unmoved = rates[0][users] * rates[1][movies]
        moved = unmoved * np.exp(_attraction(rough, users, movies, choice))
        cuts = _weighted_quantiles(sums, below, np.expm1(-moved) / np.expm1(-unmoved))
    else:
        cuts = np.quantile(sums, below)
    return Planted(**parts, cuts=tuple(float(cut) for cut in cuts))


def planted_means(planted: Planted, users: Users, movies: Users | int, times: Floats32) -> Floats:
    """Return the mean of each pair at its time, before noise and rounding (float64)."""
    drift = np.float32(TREND) + planted.user_drift[users] + planted.movie_drift[movies]
    means = planted.user_effect[users] + planted.movie_effect[movies]
    means = means + drift * (times - np.float32(MIDDLE_TIME))
    # Dimension by dimension: a matrix product may sum in another order on another machine.
    for user_taste, movie_taste in zip(planted.user_taste, planted.movie_taste, strict=True):
        means += user_taste[users] * movie_taste[movies]
    return means.astype(np.float64)


def add_noise(rows: np.random.Generator, means: Floats) -> Floats:
    """Return the means with Gaussian noise of NOISE_STD."""
    return means + NOISE_STD * rows.standard_normal(len(means))


def round_ratings(planted: Planted, sums: Floats) -> NDArray[np.int8]:
    """Return the ratings 1 to 5 of the noisy sums."""
    ratings = np.ones(len(sums), dtype=np.int8)
    for cut in planted.cuts:
        ratings += sums > cut
    return ratings


def rating_moments(planted: Planted, means: Floats) -> tuple[Floats, Floats]:
    """Return the exact mean and variance of the rounded rating given each planted mean.

    With p_k the probability of a rating above k: E[r] = 1 + Σ p_k, E[(r - 1)²] = Σ (2k - 1)·p_k.
    """
    first = np.zeros(len(means))
    second = np.zeros(len(means))
    for k, cut in enumerate(planted.cuts, start=1):
        above = ndtr((means - cut) / NOISE_STD)
        first += above
        second += (2 * k - 1) * above
    return 1 + first, second - first**2


def _attraction(planted: Planted, users: Users, movies: Users, choice: float) -> Floats:
    """Return the log of the mean factor by which taste changes the rate of each pair."""
    user_taste, movie_taste = planted.user_taste[:, users], planted.movie_taste[:, movies]
    k = balance(choice)
    squares = (user_taste**2 + movie_taste**2).sum(axis=0) / taste_scale() ** 2
    logs = choice * (user_taste * movie_taste).sum(axis=0) - k / 2 * squares
    return np.asarray(logs + TASTE_RANK / 2 * math.log1p(k), dtype=np.float64)


def _weighted_quantiles(values: Floats, shares: Floats, weights: Floats) -> Floats:
    """Return the values below which these shares of the weight lie."""
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return values[order[np.searchsorted(total, shares * total[-1])]]


def _standard_normal(draw: np.random.Generator, num: int, counts: NDArray[np.generic]) -> Floats32:
    """Return [num, len(counts)] normals with mean 0 and standard deviation 1 over the ratings."""
    weights = np.asarray(counts, dtype=np.float64)
    values = draw.standard_normal((num, len(weights)))
    values -= np.average(values, axis=1, weights=weights)[:, None]
    spread = np.sqrt(np.average(values**2, axis=1, weights=weights))[:, None]
    return (values / np.where(spread > 0, spread, 1)).astype(np.float32)


def _sample_by(pairs: np.random.Generator, counts: NDArray[np.generic]) -> Users:
    """Return positions drawn in proportion to `counts`."""
    edges = np.cumsum(np.asarray(counts, dtype=np.float64))
    draws = pairs.random(_SAMPLE_PAIRS) * edges[-1]
    return np.minimum(np.searchsorted(edges, draws, side="right"), len(edges) - 1).astype(np.int32)
