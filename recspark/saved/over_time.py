"""How the users and movies of a model change over time, as files beside its weights.

    models/<name>/times/users-00003.safetensors     of one bucket's users
                  times/movies.safetensors          of all movies, and what all users share

Shape legend: R users of a bucket, N their ratings in train, M movies.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save

from recspark.files import storage
from recspark.saved.weights import open_mapped

Arrays = Mapping[str, npt.NDArray]

SLOPES = "slopes"
"""float32 [R] or [M], change in rating per year."""
MEAN_TIMES = "mean_times"
"""float32 [R] or [M], the moment in years since 1970 at which a slope adds nothing."""
STARTS = "starts"
"""int64 [R + 1], where the ratings of each user begin."""
TIMES = "times"
"""int32 [N], seconds since 1970, ascending for each user."""
PATHS = "paths"
"""float32 [N], the mean of the user's process at each rating (rating units)."""
VARIANCES = "variances"
"""float32 [N], its variance there."""
PROCESS = "process"
"""float64 [2] beside the movies: variance (squared rating units) and scale (seconds)."""


def save_users(folder: str, bucket: int, arrays: Arrays) -> None:
    """Write what belongs to the users of a bucket."""
    _write(_users_file(folder, bucket), arrays)


def save_movies(folder: str, arrays: Arrays) -> None:
    """Write what belongs to all movies, and what all users share."""
    _write(_movies_file(folder), arrays)


def load_users(folder: str, bucket: int) -> dict[str, npt.NDArray]:
    """Return what `save_users` wrote, mapped if the file is local."""
    return _load(_users_file(folder, bucket))


def load_movies(folder: str) -> dict[str, npt.NDArray]:
    """Return what `save_movies` wrote."""
    return _load(_movies_file(folder))


def _users_file(folder: str, bucket: int) -> str:
    return posixpath.join(folder, "times", f"users-{bucket:05d}.safetensors")


def _movies_file(folder: str) -> str:
    return posixpath.join(folder, "times", "movies.safetensors")


def _write(path: str, arrays: Arrays) -> None:
    storage.write_bytes(path, save({name: np.ascontiguousarray(a) for name, a in arrays.items()}))


def _load(path: str) -> dict[str, npt.NDArray]:
    return open_mapped(path, "np", "how a trained model changes over time")
