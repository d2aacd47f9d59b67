"""Residual neighbours: a base model, corrected by what it missed of movies alike.

Prediction of user u and movie i: base(u, i) + Σ_j w_ij e_uj / (Σ_j |w_ij| + d), over the movies j
that u rated in train among the nearest of i. e_uj is u's rating of j minus base(u, j). Source:
Bell and Koren (2007), "Improved neighborhood-based collaborative filtering", here on what a fitted
model leaves over.

First each task writes the residuals of one bucket of users. Then each reads all of them and sums
over users for some rows of the movie × movie tables. No table is ever whole, and nothing is
shuffled. The time of the second part is that of Σ (ratings of a user)², cut by a cap on ratings.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recspark.arrays.hashing import uniform
from recspark.arrays.ratings import NO_TIME
from recspark.arrays.user_buckets import users_of
from recspark.cluster.tasks import broadcast, spread
from recspark.contract import columns as c
from recspark.contract.paths import bucket_folder
from recspark.datasets.train_buckets import TrainBuckets, require_whole
from recspark.files import parquet
from recspark.saved.residuals import MovieNeighbors, Residuals, load_residuals, save_residuals

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

logger = logging.getLogger(__name__)

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.integer[Any]]
Predict = Callable[[int, Ints, Ints, Ints], Floats]
"""Bucket, rows of users in it, movies and times → the base model's predictions."""
Similarity = Literal["co_rating", "correlation"]

# What the tables of a task may take.
TASK_BYTES = 256 * 2**20
# Ratings in common at which a correlation counts half, and the power that it is raised to.
HALF_SUPPORT, POWER = 50, 1.5
# Tables of 8 bytes a cell: sums over users, one bucket's part of a sum, and the weights.
_TABLES = {"co_rating": 1 + 2, "correlation": 4 + 2}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How neighbours are found; small and picklable, sent to every task."""

    folder: str
    """The model's folder."""
    num_users: int
    num_movies: int
    num_buckets: int
    similarity: Similarity
    num_neighbors: int
    """Most neighbours of a movie."""
    max_user_ratings: int
    """Where a user has more, each of them counts for similarities with a probability of this / his
    number."""
    seed: int

    @property
    def block_movies(self) -> int:
        """Movies whose rows of the tables a task holds."""
        of_one = 8 * self.num_movies * _TABLES[self.similarity]
        return max(1, min(self.num_movies, TASK_BYTES // of_one))


@dataclass(frozen=True)
class _Counts:
    """What one bucket's ratings that count for similarities come to."""

    of_movies: Ints
    """[movies]"""
    num_users: int
    num_above: int
    """Users above the cap."""
    num_pairs: int
    """Σ (ratings of a user)²."""


def fit(spark: SparkSession, train: TrainBuckets, predict: Predict, plan: Plan) -> MovieNeighbors:
    """Write the residuals of train into the model's folder and return the movies' neighbours.

    Memory of a task: `TASK_BYTES`, and one bucket's residuals at 8 bytes a rating, a few times.

    Args:
        spark: The session whose tasks do the work.
        train: Where train lies.
        predict: The base model; sent to the tasks.
        plan: How neighbours are found.

    Raises:
        DataError: A bucket of train lost rows.
    """
    require_whole(train)

    def write(bucket: int) -> _Counts:
        num_rows = len(users_of(bucket, plan.num_users, plan.num_buckets))
        residuals = compute_residuals(train, bucket, predict, num_rows, plan.num_buckets)
        save_residuals(plan.folder, bucket, residuals)
        chosen = sample(residuals, bucket, plan)
        counted = np.diff(chosen.indptr)
        return _Counts(
            np.bincount(chosen.indices, minlength=plan.num_movies),
            int(np.count_nonzero(counted)),
            int(np.count_nonzero(np.diff(residuals.starts) > plan.max_user_ratings)),
            int(np.square(counted.astype(np.int64)).sum()),
        )

    buckets = list(range(plan.num_buckets))
    written = spread(spark, buckets, len(buckets)).map(write).collect()
    starts = list(range(0, plan.num_movies, plan.block_movies))
    _tell(plan, len(starts), written)
    num_ratings: Ints = np.sum([one.of_movies for one in written], axis=0)
    with broadcast(spark.sparkContext, num_ratings) as shared:
        found = (
            spread(spark, starts, len(starts))
            .map(lambda start: find_neighbors(plan, start, shared.value))
            .collect()
        )
    return MovieNeighbors(
        np.concatenate([one.movies for one in found]),
        np.concatenate([one.weights for one in found]),
    )


def _tell(plan: Plan, num_tasks: int, written: list[_Counts]) -> None:
    num_above = sum(one.num_above for one in written)
    if num_above:
        logger.warning(
            "residual_neighbors: %s of %s users have more than %s ratings; about that many of each "
            "count for similarities",
            *(f"{num_above:,}", f"{sum(one.num_users for one in written):,}"),
            f"{plan.max_user_ratings:,}",
        )
    tables = _TABLES[plan.similarity]
    logger.info(
        "residual_neighbors: %.3g products of ratings for %s movies, in %s tasks of up to %.0f MiB",
        (tables - 2) * float(sum(one.num_pairs for one in written)),
        *(f"{plan.num_movies:,}", f"{num_tasks:,}"),
        8 * plan.num_movies * plan.block_movies * tables / 2**20,
    )


def compute_residuals(
    train: TrainBuckets, bucket: int, predict: Predict, num_rows: int, num_buckets: int
) -> Residuals:
    """Return what the base model missed in one bucket of train; what it cannot predict is left out.

    Memory: about 60 bytes a rating of the bucket, and what the base model takes.
    """
    columns = [c.USER_INDEX, c.MOVIE_INDEX, c.RATING, c.RATED_AT]
    rows: list[Ints] = [np.zeros(0, np.int64)]
    movies: list[Ints] = [np.zeros(0, np.int32)]
    values: list[Floats] = [np.zeros(0, np.float32)]
    for batch in parquet.read_batches(bucket_folder(train.path, bucket), columns):
        row = batch.column(c.USER_INDEX).to_numpy().astype(np.int64) // num_buckets
        movie = batch.column(c.MOVIE_INDEX).to_numpy()
        times = batch.column(c.RATED_AT).fill_null(NO_TIME).to_numpy()
        missed = batch.column(c.RATING).to_numpy() - predict(bucket, row, movie, times)
        known = ~np.isnan(missed)
        rows.append(row[known])
        movies.append(movie[known])
        values.append(missed[known])
    row, movie, value = np.concatenate(rows), np.concatenate(movies), np.concatenate(values)
    order = np.lexsort((movie, row))
    starts = np.searchsorted(row[order], np.arange(num_rows + 1))
    return Residuals(starts, movie[order].astype(np.int32), value[order].astype(np.float32))


def sample(residuals: Residuals, bucket: int, plan: Plan) -> sparse.csr_matrix:
    """Return the residuals that count for similarities, [users of the bucket, movies].

    All those of a user with up to `max_user_ratings`. Of others a draw that depends on the seed,
    the user and the movie alone.
    """
    counts = np.diff(residuals.starts)
    share = np.repeat(plan.max_user_ratings / np.maximum(counts, 1), counts)
    rows = np.repeat(np.arange(len(counts)), counts)
    drawn = np.flatnonzero(share < 1)
    users = rows[drawn] * plan.num_buckets + bucket
    chance = uniform(plan.seed, "residual_neighbors", users, residuals.movies[drawn])
    counts_for = np.ones(len(rows), bool)
    counts_for[drawn] = chance < share[drawn]
    kept = np.bincount(rows[counts_for], minlength=len(counts))
    starts = np.concatenate([[0], np.cumsum(kept)])
    values = residuals.values[counts_for].astype(np.float64)
    shape = len(counts), plan.num_movies
    return sparse.csr_matrix((values, residuals.movies[counts_for], starts), shape=shape)


def find_neighbors(plan: Plan, start: int, num_ratings: Ints) -> MovieNeighbors:
    """Return the neighbours of one block of movies, from `start` on; inside a task.

    Args:
        plan: How neighbours are found.
        start: First movie of the block.
        num_ratings: [movies], ratings of each that count for similarities.
    """
    block = slice(start, min(start + plan.block_movies, plan.num_movies))
    weigh = {"co_rating": _co_rating, "correlation": _correlation}[plan.similarity]
    weights = weigh(plan, block, num_ratings)
    weights[np.arange(len(weights)), np.arange(block.start, block.stop)] = 0  # no own neighbour
    nearest = np.empty((len(weights), min(plan.num_neighbors, plan.num_movies)), np.int32)
    for row, of_movie in enumerate(np.abs(weights)):
        nearest[row] = np.argsort(-of_movie, kind="stable")[: nearest.shape[1]]
    return MovieNeighbors(nearest, np.take_along_axis(weights, nearest, axis=1).astype(np.float32))


def _co_rating(plan: Plan, block: slice, num_ratings: Ints) -> npt.NDArray[np.float64]:
    """Return (n_ij / √(n_i n_j))² [block, movies], n_ij the users who rated both."""
    both = np.zeros((block.stop - block.start, plan.num_movies))
    for bucket in range(plan.num_buckets):
        rated = _indicator(sample(load_residuals(plan.folder, bucket), bucket, plan))
        _add(both, rated[:, block], rated)
    total = np.outer(num_ratings[block], num_ratings)
    return np.divide(both**2, total, out=np.zeros_like(both), where=total > 0)


def _correlation(plan: Plan, block: slice, num_ratings: Ints) -> npt.NDArray[np.float64]:
    """Return |s|^1.5 with the sign of s [block, movies], s = ρ · n_ij / (n_ij + 50).

    ρ = Σ e_i e_j / √(Σ e_i² · Σ e_j²) over the users who rated both. It is Pearson's correlation
    around 0: the mean of what a fitted model misses of a movie is hardly anything else.
    """
    shape = block.stop - block.start, plan.num_movies
    both, product, mine, theirs = (np.zeros(shape) for _ in range(4))
    for bucket in range(plan.num_buckets):
        missed = sample(load_residuals(plan.folder, bucket), bucket, plan)
        rated, square = _indicator(missed), missed.multiply(missed).tocsr()
        _add(both, rated[:, block], rated)
        _add(product, missed[:, block], missed)
        _add(mine, square[:, block], rated)
        _add(theirs, rated[:, block], square)
    lengths = np.sqrt(mine * theirs)
    similarity = np.divide(product, lengths, out=np.zeros(shape), where=lengths > 0)
    similarity *= both / (both + HALF_SUPPORT)
    powered: npt.NDArray[np.float64] = np.sign(similarity) * np.abs(similarity) ** POWER
    return powered


def _indicator(values: sparse.csr_matrix) -> sparse.csr_matrix:
    ones = np.ones_like(values.data)
    return sparse.csr_matrix((ones, values.indices, values.indptr), shape=values.shape)


def _add(table: Floats, left: sparse.csr_matrix, right: sparse.csr_matrix) -> None:
    """Add leftᵀ · right to a dense table."""
    table += (left.T @ right).toarray()
