"""The weights between movies of a model that scores from histories.

    models/<name>/weights.npy   every pair of movies, mapped into memory when they are used
                  weights.npz   or the pairs that count: the same as a sparse matrix

Row i holds what a rating of movie i adds to the score of each movie.
"""

from __future__ import annotations

import io
import posixpath
import zipfile
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recspark.errors import DataError, describe
from recspark.files import storage
from recspark.saved.arrays import read_array, write_array

Floats = npt.NDArray[np.float32]

_DENSE, _SPARSE = "weights.npy", "weights.npz"
_CHUNK_BYTES = 2**24


@dataclass(frozen=True)
class SparseWeights:
    """Weights between movies as rows of the pairs that count.

    Attributes:
        starts: int64 [M + 1], where each row begins.
        movies: int32 [weights], the column of each, ascending within a row.
        values: float32 [weights]
    """

    starts: npt.NDArray[np.int64]
    movies: npt.NDArray[np.int32]
    values: Floats


def save_dense(folder: str, weights: Floats) -> None:
    """Write weights [M, M]."""
    step = max(1, _CHUNK_BYTES // (4 * max(1, weights.shape[1])))
    chunks = (weights[start : start + step] for start in range(0, len(weights), step))
    write_array(posixpath.join(folder, _DENSE), chunks, weights.shape)


def save_sparse(folder: str, weights: SparseWeights) -> None:
    """Write weights."""
    content = io.BytesIO()
    np.savez(content, starts=weights.starts, movies=weights.movies, values=weights.values)
    storage.write_bytes(posixpath.join(folder, _SPARSE), content.getvalue())


def read_dense(folder: str) -> Floats:
    """Return what `save_dense` wrote, mapped if the file is local.

    Raises:
        DataError: The file is missing or damaged.
    """
    return read_array(posixpath.join(folder, _DENSE))


def read_sparse(folder: str) -> SparseWeights:
    """Return what `save_sparse` wrote.

    Raises:
        DataError: The file is missing or damaged.
    """
    path = posixpath.join(folder, _SPARSE)
    problem = "no such file"
    if storage.exists(path):
        try:
            with np.load(io.BytesIO(storage.read_bytes(path)), allow_pickle=False) as file:
                return SparseWeights(file["starts"], file["movies"], file["values"])
        except (ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
            problem = f"a damaged file ({error})"
    raise DataError(
        describe(
            path,
            found=problem,
            expected="weights between movies",
            remedy="Fit the model again: jobs/baseline.py with --force.",
        )
    )
