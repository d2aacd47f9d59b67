"""EASE: linear regression of each movie on all others, in closed form.

Steck (2019), "Embarrassingly shallow autoencoders for sparse data", with user weights in the Gram
matrix, and dropout's diagonal of Steck (2020), "Autoencoders that don't overfit towards the
identity", equation 5: P = (G + λI + p/(1−p) · diag G)⁻¹, B_ij = −P_ij / P_jj, B_jj = 0.
The score of user u and movie j is Σ_i x_ui B_ij over the movies that he rated.

The matrix of all pairs of movies is held once, in single precision, and inverted in place;
`sparse_ease.py` does without it.
"""

from __future__ import annotations

import logging
import posixpath
import uuid
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from pyspark.sql import SparkSession
from scipy.linalg import lapack

from recspark.baselines.gram import GramPlan, GramRows, map_rows
from recspark.cluster.memory import free_memory_bytes
from recspark.cluster.tasks import ATTEMPTS
from recspark.errors import ConfigError, DataError, describe
from recspark.files import storage
from recspark.saved.arrays import read_array, write_array

logger = logging.getLogger(__name__)

Floats = npt.NDArray[np.float32]

# Beside the matrix: one row block at a time, and the interpreter's growth.
_SLACK_BYTES = 256 * 2**20
_REMEDY = (
    "Set baseline.ease.num_neighbors to 200, which keeps no matrix of all pairs, leave out rarely "
    "rated movies with prepare.min_ratings_per_movie, or give the driver more memory."
)


def fit(spark: SparkSession, plan: GramPlan, *, reg: float, dropout: float, folder: str) -> Floats:
    """Return B, [movies, movies]; zero in rows and columns of movies that nobody rated.

    Args:
        spark: The session whose tasks sum the Gram matrix.
        plan: What they sum; only columns j ≥ i are needed.
        reg: λ, above 0.
        dropout: p, from 0 to below 1.
        folder: The model's folder; tasks pass their rows through files beside it.

    Raises:
        ConfigError: The matrix does not fit into memory.
        DataError: The matrix is not positive definite in single precision.
    """
    require_memory(plan.num_movies, free_memory_bytes())
    root = folder.rstrip("/") + ATTEMPTS

    def write(rows: GramRows) -> tuple[int, int, str]:
        path = posixpath.join(root, f"gram-{uuid.uuid4().hex}.npy")
        write_array(path, _chunks(rows.values), rows.values.shape)
        return rows.first, rows.step, path

    try:
        written = map_rows(spark, plan, write)
        logger.info("ease: inverts a matrix of %s movies", f"{plan.num_movies:,}")
        gram = np.empty((plan.num_movies, plan.num_movies), np.float32)
        for first, step, path in written:
            gram[first::step] = read_array(path)
            storage.remove(path)
    finally:
        storage.discard(root)
    solve(gram, reg, dropout)
    return gram


def require_memory(num_movies: int, free: int) -> None:
    """Refuse a catalogue whose matrix of all pairs does not fit.

    Args:
        num_movies: Movies in the index.
        free: Free memory (bytes).

    Raises:
        ConfigError: It does not fit.
    """
    needed = 4 * num_movies**2 + _SLACK_BYTES
    if needed > free:
        raise ConfigError(
            describe(
                "baseline.ease",
                found=f"{num_movies:,} movies, whose matrix needs {needed / 2**30:.1f} GiB, "
                f"and {free / 2**30:.1f} GiB of free memory",
                expected="a matrix of all pairs of movies that fits into memory",
                remedy=_REMEDY,
            )
        )


def solve(gram: Floats, reg: float, dropout: float) -> None:
    """Turn G into B in place.

    Args:
        gram: [movies, movies]; only the columns j ≥ i of row i are read.
        reg: λ.
        dropout: p.

    Raises:
        DataError: The matrix is not positive definite in single precision.
    """
    from recspark.baselines.gram_loops import to_weights

    gram.flat[:: len(gram) + 1] *= 1 + dropout / (1 - dropout)
    gram.flat[:: len(gram) + 1] += reg
    # LAPACK counts by columns: what we call the upper half, it calls the lower one.
    factor, problem = lapack.spotrf(gram.T, lower=1, clean=0, overwrite_a=1)
    if problem == 0:
        inverse, problem = lapack.spotri(factor, lower=1, overwrite_c=1)
    if problem:
        raise refuse_singular(reg, abs(problem) - 1)
    assert np.shares_memory(inverse, gram)
    to_weights(gram)


def refuse_singular(reg: float, movie: int) -> DataError:
    """Return the error of a matrix that is not positive definite at a movie (`movie_index`)."""
    return DataError(
        describe(
            "baseline.ease.reg",
            found=f"{reg:g}, with which the matrix of movie {movie} is singular",
            expected="a matrix that can be inverted",
            remedy="Raise it.",
        )
    )


def _chunks(rows: Floats) -> Iterator[Floats]:
    for start in range(0, len(rows), 256):
        yield rows[start : start + 256]
