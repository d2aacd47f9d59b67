"""The NDCG of the best top-10 lists: those of an oracle that knows the planted parameters.

User u has rated movie m with probability c = 1 - exp(-exposure_m · weight_u · exp(pull)), whatever
else he rated. A rated pair is in train with probability t. The chance that a movie that is not in
u's train is one of his held-out movies is thus in proportion to c / (1 - t·c). The oracle ranks by
the product of this and the probability that u rates the movie 4 or 5, averaged over the times at
which he may do so. Given train and the planted parameters, no other order has a higher expected
gain. The pairs of probe.txt that were really drawn tell how good its lists are.

Exposures are those of the draws, which scatter a little about what one would expect of the planted
parameters. The one movie that every user is guaranteed is drawn without regard to taste; the
probabilities leave it out.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from recspark.arrays.ndcg import measure_ndcg
from recspark.synthetic.planted import NOISE_STD, planted_means
from recspark.synthetic.population import Population
from recspark.synthetic.rows import MovieRows
from recspark.synthetic.streams import Purpose, stream

TOP_K = 10
RELEVANT_RATING = 4
MOST_USERS = 50_000

_CANDIDATES = 256
_BLOCK_USERS = 32
# Gauss-Legendre nodes and weights on [0, 1].
_NODES = (0.5 - 0.15**0.5, 0.5, 0.5 + 0.15**0.5)
_NODE_WEIGHTS = (5 / 18, 8 / 18, 5 / 18)

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Ints32 = NDArray[np.int32]


@dataclass(frozen=True)
class KnownPairs:
    """Pairs of the listed users: all of train, and those of probe.txt with a relevant rating."""

    users: Ints32
    """Positions in the population's tables."""
    movies: Ints32
    is_relevant: NDArray[np.bool_]
    """Whether the pair is of probe.txt."""


def mark_listed(population: Population) -> NDArray[np.bool_]:
    """Return [N], whether lists are made for a user: a random MOST_USERS, or all if fewer."""
    num_users = len(population.weights)
    is_listed = np.zeros(num_users, dtype=bool)
    draw = stream(population.seed, Purpose.LISTS)
    is_listed[draw.permutation(num_users)[:MOST_USERS]] = True
    return is_listed


def known_pairs(rows: MovieRows, movie: int, is_listed: NDArray[np.bool_]) -> KnownPairs:
    """Return the pairs of one movie."""
    in_probe = np.zeros(rows.num_ratings, dtype=bool)
    in_probe[rows.probe] = True
    users = rows.users[: rows.num_ratings]
    is_relevant = in_probe & (rows.ratings[: rows.num_ratings] >= RELEVANT_RATING)
    kept = np.flatnonzero(is_listed[users] & (is_relevant | ~in_probe))
    return KnownPairs(users[kept], np.full(len(kept), movie, dtype=np.int32), is_relevant[kept])


def join_pairs(parts: Sequence[KnownPairs]) -> KnownPairs:
    """Return the pairs of all parts."""
    return KnownPairs(
        np.concatenate([part.users for part in parts]),
        np.concatenate([part.movies for part in parts]),
        np.concatenate([part.is_relevant for part in parts]),
    )


def measure_best(population: Population, pairs: KnownPairs, exposures: Floats) -> dict[str, Any]:
    """Return the oracle's NDCG with its k, standard error and number of users, for truth.json.

    The NDCG is the mean over the listed users who have a relevant movie in probe.txt, or None if
    there are none. The error is that of a sample of so many users, None for fewer than two.

    Memory: 16 bytes per pair, and 15 MB per processor at the size of the Netflix Prize.

    Args:
        population: What the rows were made from, with a pull.
        pairs: The pairs of all movies.
        exposures: From `choose_pulled`, for each movie.
    """
    num_movies = len(exposures)
    keys = pairs.users.astype(np.int64) * num_movies + pairs.movies
    seen, relevant = np.sort(keys[~pairs.is_relevant]), np.sort(keys[pairs.is_relevant])
    users, num_relevant = np.unique(relevant // num_movies, return_counts=True)
    oracle = _Oracle(population, exposures, seen)
    starts = range(0, len(users), _BLOCK_USERS)
    blocks = [users[start : start + _BLOCK_USERS].astype(np.int32) for start in starts]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        lists = np.concatenate([np.empty((0, TOP_K), np.int64), *pool.map(oracle.rank, blocks)])
    is_hit = np.isin(users[:, None] * num_movies + lists, relevant, kind="sort")
    rows, places = np.nonzero(is_hit)
    ndcg = measure_ndcg(rows, places + 1, num_relevant, TOP_K)
    mean = math.fsum(ndcg) / len(users) if len(users) else None
    error = float(ndcg.std(ddof=1) / math.sqrt(len(users))) if len(users) > 1 else None
    return {
        "k": TOP_K,
        "relevant_rating": RELEVANT_RATING,
        "best_ndcg": mean,
        "standard_error": error,
        "num_users": len(users),
    }


class _Oracle:
    """Ranks the movies that a user has no rating of in train."""

    def __init__(self, population: Population, exposures: Floats, seen: NDArray[np.int64]) -> None:
        """Take the rates of all pairs apart into vectors; `seen` is user · M + movie, sorted."""
        pull = population.pull
        assert pull is not None
        self.population, self.seen = population, seen
        logs = [np.log(population.weights), np.log(np.maximum(exposures, 1e-300))]
        self.users = np.vstack([pull.users, logs[0], np.ones_like(logs[0])]).astype(np.float32)
        self.movies = np.vstack([pull.movies, np.ones_like(logs[1]), logs[1]]).astype(np.float32)
        in_train = population.num_ratings.sum() - population.num_probe.sum()
        self.train_share = in_train / population.num_rows.sum()

    def rank(self, users: Ints32) -> NDArray[np.int64]:
        """Return the best TOP_K movies of each user [users, TOP_K], or all if there are fewer."""
        num_movies = self.movies.shape[1]
        logs = self.users[:, users].T @ self.movies
        for row, user in enumerate(users.tolist()):
            first, last = np.searchsorted(self.seen, [user * num_movies, (user + 1) * num_movies])
            logs[row, self.seen[first:last] - user * num_movies] = -np.inf
        return self._best_of(users, logs, _CANDIDATES)

    def _best_of(self, users: Ints32, logs: Floats32, num: int) -> NDArray[np.int64]:
        """Return the best movies from the log rates [users, M], by way of the `num` likeliest."""
        num_movies = logs.shape[1]
        if num < num_movies:
            movies = np.argpartition(logs, num_movies - num, axis=1)[:, num_movies - num :]
        else:
            movies = np.broadcast_to(np.arange(num_movies), logs.shape)
        chance = self._chance(np.take_along_axis(logs, movies, axis=1))
        scores = chance * self._relevance(users[:, None], movies.astype(np.int32))
        best = np.argsort(-scores, axis=1, kind="stable")[:, :TOP_K]
        found = np.take_along_axis(movies, best, axis=1)
        if num < num_movies:
            # A movie that is less likely than all these cannot be better than the limit.
            last = np.take_along_axis(scores, best[:, -1:], axis=1)[:, 0]
            is_open = chance.min(axis=1) > last
            if is_open.any():
                found[is_open] = self._best_of(users[is_open], logs[is_open], 4 * num)
        return found

    def _chance(self, logs: Floats32) -> Floats:
        rated = -np.expm1(-np.exp(logs.astype(np.float64)))
        return np.asarray(rated / (1 - self.train_share * rated))

    def _relevance(self, users: Ints32, movies: Ints32) -> Floats:
        """Return the probability that each rating is 4 or 5, over the times that it may have."""
        population, planted = self.population, self.population.planted
        earliest = np.maximum(population.joined[users], population.opened[movies])
        total = np.zeros(movies.shape)
        for node, weight in zip(_NODES, _NODE_WEIGHTS, strict=True):
            times = earliest + (1 - earliest) * np.float32(node)
            means = planted_means(planted, users, movies, times)
            total += weight * ndtr((means - planted.cuts[RELEVANT_RATING - 2]) / NOISE_STD)
        return total
