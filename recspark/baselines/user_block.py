"""One bucket of train in memory: users by movies, each rating minus its user's mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recspark.contract import columns as c
from recspark.datasets.train_buckets import TrainBuckets, read_bucket


@dataclass(frozen=True)
class UserBlock:
    """The users of one bucket that have ratings in train, ascending by `user_index`."""

    user_index: npt.NDArray[np.int32]
    """[users]"""
    means: npt.NDArray[np.float64]
    """[users], each user's mean rating."""
    deviations: sparse.csr_matrix
    """[users, movies], rating − mean on rated cells; movies ascend within a row."""


def build_block(
    user_index: npt.NDArray[np.int32],
    movie_index: npt.NDArray[np.int32],
    ratings: npt.NDArray[np.float32],
    num_movies: int,
) -> UserBlock:
    """Return the block of these ratings, whatever their order.

    Args:
        user_index: [rows]
        movie_index: [rows], each below `num_movies`; each (user, movie) occurs once.
        ratings: [rows]
        num_movies: Columns of the matrix.
    """
    users, rows = np.unique(user_index, return_inverse=True)
    # Sums of FLOAT values are exact in double precision: the order of the rows does not matter.
    values = ratings.astype(np.float64)
    means = np.bincount(rows, weights=values, minlength=len(users)) / np.bincount(
        rows, minlength=len(users)
    )
    deviations = sparse.csr_matrix(
        (values - means[rows], (rows, movie_index)), shape=(len(users), num_movies)
    )
    deviations.sort_indices()
    return UserBlock(user_index=users.astype(np.int32), means=means, deviations=deviations)


def read_block(train: TrainBuckets, bucket: int) -> UserBlock:
    """Return one bucket of train, read straight from its Parquet files.

    Memory: about 12 bytes per rating, and five times that while it is built.
    """
    columns = [c.USER_INDEX, c.MOVIE_INDEX, c.RATING]
    users, movies, ratings = read_bucket(train.path, bucket, columns)
    return build_block(users, movies, ratings, train.num_movies)
