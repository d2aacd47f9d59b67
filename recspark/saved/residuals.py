"""The tables of a model of residual neighbours, as arrays that are read without pickle.

models/<name>/residuals/bucket-00003.npz   what the base model missed in train, by user
              neighbors.npz                the nearest movies of each movie, and their weights
"""

from __future__ import annotations

import io
import posixpath
import zipfile
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from recspark.errors import DataError, describe
from recspark.files import storage

Arrays = dict[str, npt.NDArray[Any]]

_STARTS, _MOVIES, _VALUES, _WEIGHTS = "starts", "movies", "values", "weights"
_NEIGHBORS = "neighbors.npz"


@dataclass(frozen=True)
class Residuals:
    """The residuals of one bucket's users; row `user_index // num_buckets` is a user's."""

    starts: npt.NDArray[np.int64]
    """[users + 1], where each row begins."""
    movies: npt.NDArray[np.int32]
    """[ratings], `movie_index`, ascending within a row."""
    values: npt.NDArray[np.float32]
    """[ratings], rating minus the base model's prediction."""


@dataclass(frozen=True)
class MovieNeighbors:
    """The nearest movies of every movie, by the size of their weights."""

    movies: npt.NDArray[np.int32]
    """[movies, k], `movie_index`, nearest first."""
    weights: npt.NDArray[np.float32]
    """[movies, k]; 0 where a movie has fewer neighbours."""


def save_residuals(folder: str, bucket: int, residuals: Residuals) -> None:
    """Write the residuals of one bucket into a model's folder."""
    arrays: Arrays = {
        _STARTS: residuals.starts,
        _MOVIES: residuals.movies,
        _VALUES: residuals.values,
    }
    _save(_residuals_file(folder, bucket), arrays)


def load_residuals(folder: str, bucket: int) -> Residuals:
    """Return what `save_residuals` wrote; a DataError names a file that is missing or damaged."""
    arrays = _load(_residuals_file(folder, bucket), (_STARTS, _MOVIES, _VALUES))
    return Residuals(arrays[_STARTS], arrays[_MOVIES], arrays[_VALUES])


def save_neighbors(folder: str, neighbors: MovieNeighbors) -> None:
    """Write the neighbours of all movies into a model's folder."""
    arrays: Arrays = {_MOVIES: neighbors.movies, _WEIGHTS: neighbors.weights}
    _save(posixpath.join(folder, _NEIGHBORS), arrays)


def load_neighbors(folder: str) -> MovieNeighbors:
    """Return what `save_neighbors` wrote; a DataError names a file that is missing or damaged."""
    arrays = _load(posixpath.join(folder, _NEIGHBORS), (_MOVIES, _WEIGHTS))
    return MovieNeighbors(arrays[_MOVIES], arrays[_WEIGHTS])


def _residuals_file(folder: str, bucket: int) -> str:
    return posixpath.join(folder, "residuals", f"bucket-{bucket:05d}.npz")


def _save(path: str, arrays: Arrays) -> None:
    content = io.BytesIO()
    save: Any = np.savez  # whose hints differ by version
    save(content, **arrays)
    storage.write_bytes(path, content.getvalue())


def _load(path: str, names: tuple[str, ...]) -> Arrays:
    problem = "no such file"
    if storage.exists(path):
        try:
            with np.load(io.BytesIO(storage.read_bytes(path)), allow_pickle=False) as file:
                return {name: file[name] for name in names}
        except (ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
            problem = f"a damaged file ({error})"
    raise DataError(
        describe(
            path,
            found=problem,
            expected="arrays of a model of residual neighbours",
            remedy="Fit the model again: jobs/baseline.py with --force.",
        )
    )
