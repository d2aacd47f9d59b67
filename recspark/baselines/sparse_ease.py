"""EASE on the nearest movies alone, for catalogues whose matrix of all pairs does not fit.

With G the Gram matrix of `gram.py`, λ and p as in `ease.py`, the weights to movie j from its
neighbours N, the `num_neighbors` movies of the highest cosine G_ij / √(G_ii G_jj), are
B[N, j] = (G + λI + p/(1−p) · diag G)[N, N]⁻¹ G[N, j], and 0 from all others. With every other movie
in N they are those of `ease.py`. Ning and Karypis (2011), "SLIM: sparse linear methods for top-N
recommender systems", choose neighbours before the regression; Steck (2019), "Markov random fields
for collaborative filtering", solves small dense systems of correlated movies.

Tasks sum the rows of G twice: first to find the neighbours, then for the products between them,
2 · num_movies · num_neighbors² bytes that they pass on through files. No process holds G.
"""

from __future__ import annotations

import logging
import math
import posixpath
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from pyspark.sql import SparkSession
from scipy.linalg import lapack

from recspark.baselines.ease import refuse_singular
from recspark.baselines.gram import GramPlan, GramRows, map_rows
from recspark.baselines.nearest_movies import BLOCK, by_rated, keep_highest
from recspark.cluster.memory import free_memory_bytes
from recspark.cluster.tasks import ATTEMPTS, broadcast, spread
from recspark.config import EaseConfig
from recspark.errors import ConfigError, describe
from recspark.files import storage
from recspark.saved.arrays import read_array, write_array
from recspark.saved.items import SparseWeights

logger = logging.getLogger(__name__)

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]

# Products between neighbours that a task reads.
_TASK_BYTES = 2**28
# A pair of neighbours: in the driver, where all are sorted, and in a task.
_DRIVER_BYTES, _PAIR_BYTES = 48, 8
_SLACK_BYTES = 2**28


@dataclass(frozen=True)
class Neighborhoods:
    """The movies from which each rated movie is predicted.

    Shape legend: R rated movies, C neighbours.

    Attributes:
        movies: [R], `movie_index`.
        near: [R, C], the neighbours of each, ascending.
        products: [R, C], G of each and its neighbours.
    """

    movies: Ints
    near: Ints
    products: Floats

    def take(self, part: slice) -> Neighborhoods:
        return Neighborhoods(self.movies[part], self.near[part], self.products[part])


def fit(
    spark: SparkSession, plan: GramPlan, settings: EaseConfig, num_neighbors: int, folder: str
) -> SparseWeights:
    """Return B.

    Args:
        spark: The session whose tasks do the work.
        plan: What they sum.
        settings: λ and p.
        num_neighbors: C, above 0; if fewer other movies are rated, those.
        folder: The model's folder; tasks pass products on through files beside it.

    Raises:
        ConfigError: The neighbours do not fit into memory.
        DataError: A matrix is not positive definite.
    """
    num_movies = plan.num_movies
    num_neighbors = min(num_neighbors, num_movies - 1)
    num_cores = spark.sparkContext.defaultParallelism
    require_memory(plan, num_neighbors, _num_beside(spark), free_memory_bytes())
    whole, upper = replace(plan, is_whole=True), replace(plan, is_whole=False)
    nearby = _join(map_rows(spark, whole, lambda rows: find_neighbors(rows, num_neighbors)))
    if not nearby.near.size:  # fewer than two rated movies
        return by_rated(nearby.movies[:0], nearby.near.ravel(), nearby.products.ravel(), num_movies)
    parts = _split(nearby, num_cores)
    size = nearby.near.size * (nearby.near.shape[1] + 1) * 2
    logger.info("ease: passes %.1f GiB of products between neighbours on", size / 2**30)
    root = folder.rstrip("/") + ATTEMPTS
    try:
        with broadcast(spark.sparkContext, nearby) as shared:
            written = map_rows(
                spark, upper, lambda rows: write_products(rows, shared.value, parts, root)
            )
            paths = list(zip(*(of_parts for _, of_parts in sorted(written)), strict=True))

            def solve_part(number: int) -> Floats:
                return solve(shared.value.take(parts[number]), paths[number], settings)

            numbers = range(len(parts))
            solved = spread(spark, numbers, len(parts)).map(solve_part).collect()
    finally:
        storage.discard(root)
    targets = np.repeat(nearby.movies, nearby.near.shape[1])
    weights = np.concatenate(solved).ravel()
    return by_rated(targets, nearby.near.ravel(), weights, num_movies)


def require_memory(plan: GramPlan, num_neighbors: int, num_beside: int, free: int) -> None:
    """Refuse more neighbours than fit.

    Args:
        plan: What tasks sum.
        num_neighbors: C.
        num_beside: Tasks that run beside the driver at a time.
        free: Free memory (bytes).

    Raises:
        ConfigError: They do not fit.
    """
    num_pairs = plan.num_movies * num_neighbors
    rows = 4 * plan.num_movies**2 / plan.num_tasks(max(1, num_beside))
    of_task = rows + _PAIR_BYTES * num_pairs + _TASK_BYTES
    needed = _DRIVER_BYTES * num_pairs + num_beside * of_task + _SLACK_BYTES
    if needed > free:
        raise ConfigError(
            describe(
                "baseline.ease.num_neighbors",
                found=f"{num_neighbors:,} of {plan.num_movies:,} movies, which need "
                f"{needed / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB of free memory",
                expected="neighbours that fit into memory",
                remedy="Lower it, leave out rarely rated movies with "
                "prepare.min_ratings_per_movie, or give the driver more memory.",
            )
        )


def find_neighbors(rows: GramRows, count: int) -> Neighborhoods:
    """Return the neighbours of the movies of a task's rows.

    Movies that no user rated with it follow, those of the lower index first, which are popular.
    """
    is_known = rows.diagonal > 0
    count = min(count, int(is_known.sum()) - 1)
    norms = np.sqrt(np.where(is_known, rows.diagonal, 1)).astype(np.float32)
    apart = np.where(is_known, -1 - np.arange(len(norms)), -np.inf).astype(np.float32)
    movies = np.asarray(rows.movies, np.int32)
    movies = movies[is_known[movies]]
    near = np.empty((len(movies), max(0, count)), np.int32)
    products = np.empty(near.shape, np.float32)
    for start in range(0, len(movies) if count > 0 else 0, BLOCK):
        part = slice(start, start + BLOCK)
        gram = rows.values[movies[part] // rows.step]
        similar = np.where(gram > 0, gram / norms, apart)
        similar[np.arange(len(similar)), movies[part]] = -np.inf
        _, found = keep_highest(similar, count, above=-np.inf)
        near[part] = np.sort(found.reshape(-1, count), axis=1)
        products[part] = np.take_along_axis(gram, near[part], axis=1)
    return Neighborhoods(movies, near, products)


def write_products(
    rows: GramRows, nearby: Neighborhoods, parts: Sequence[slice], root: str
) -> tuple[int, list[str]]:
    """Write what a task's rows know of the products between neighbours, and return its files.

    Args:
        rows: The columns j ≥ i of row i.
        nearby: Of all movies.
        parts: Of `nearby`; each gets a file.
        root: Where files go.
    """
    from recspark.baselines.gram_loops import pick_products

    paths = []
    for part in parts:
        near = nearby.near[part]
        lengths = near.shape[1] - np.nonzero(near % rows.step == rows.first)[1]
        products = np.empty(lengths.sum(), np.float32)
        pick_products(near, rows.first, rows.step, rows.values, products)
        paths.append(posixpath.join(root, f"products-{uuid.uuid4().hex}.npy"))
        write_array(paths[-1], [products], products.shape)
    return rows.first, paths


def solve(nearby: Neighborhoods, paths: Sequence[str], settings: EaseConfig) -> Floats:
    """Return the weights of the neighbours of movies, [R, C].

    Args:
        nearby: Of these movies.
        paths: The products between their neighbours, of task after task.
        settings: λ and p.

    Raises:
        DataError: A matrix is not positive definite.
    """
    from recspark.baselines.gram_loops import gather_products

    parts = [read_array(path) for path in paths]
    products = np.concatenate(parts)
    places = np.cumsum([0, *(len(part) for part in parts[:-1])])
    weights = np.empty(nearby.near.shape, np.float32)
    num_neighbors = nearby.near.shape[1]
    matrix = np.zeros((num_neighbors, num_neighbors))
    scale = 1 + settings.dropout / (1 - settings.dropout)
    for number, movie in enumerate(nearby.movies.tolist()):
        gather_products(products, places, nearby.near[number], matrix)
        diagonal = np.einsum("ii->i", matrix)
        diagonal *= scale
        diagonal += settings.reg
        # LAPACK counts by columns: what we call the upper half, it calls the lower one.
        _, weights[number], problem = lapack.dposv(
            matrix.T, nearby.products[number], lower=1, overwrite_a=1
        )
        if problem:
            raise refuse_singular(settings.reg, movie)
    return weights


def _num_beside(spark: SparkSession) -> int:
    from recspark.cluster.ranks import is_local_master

    return spark.sparkContext.defaultParallelism if is_local_master(spark) else 0


def _join(found: Sequence[Neighborhoods]) -> Neighborhoods:
    """Return the neighbours of all movies, in their order."""
    movies = np.concatenate([one.movies for one in found])
    order = np.argsort(movies)
    return Neighborhoods(
        movies[order],
        np.concatenate([one.near for one in found])[order],
        np.concatenate([one.products for one in found])[order],
    )


def _split(nearby: Neighborhoods, num_cores: int) -> list[slice]:
    """Return parts whose products a task can hold, at least one a core."""
    num_movies, count = nearby.near.shape
    limit = _TASK_BYTES // max(1, 2 * count * (count + 1))
    step = max(1, min(limit, math.ceil(num_movies / num_cores)))
    return [slice(start, start + step) for start in range(0, num_movies, step)]
