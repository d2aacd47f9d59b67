"""The nearest movies of each movie, out of rows of similarities."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recspark.saved.items import SparseWeights

Ints = npt.NDArray[np.integer]
Floats = npt.NDArray[np.float32]

BLOCK = 256
"""Rows to compare at a time."""


def keep_highest(similar: Floats, count: int, above: float) -> tuple[Ints, Ints]:
    """Return row and column of the `count` highest values of each row, the highest first.

    Only values above `above` are kept. Ties go to the lower column.
    """
    width = similar.shape[1]
    border = np.full(len(similar), -np.inf, np.float32)
    if count < width:
        border = np.partition(similar, width - count, axis=1)[:, width - count]
    rows, columns = np.nonzero((similar >= border[:, None]) & (similar > above))
    order = np.lexsort((columns, -similar[rows, columns], rows))
    rows, columns = rows[order], columns[order]
    place = np.arange(len(rows)) - np.searchsorted(rows, np.arange(len(similar)))[rows]
    return rows[place < count], columns[place < count]


def by_rated(targets: Ints, movies: Ints, values: Floats, num_movies: int) -> SparseWeights:
    """Return weights in the order of the movie whose rating adds them.

    Args:
        targets: [weights], the movie to whose score each is added.
        movies: [weights], the rated movie of each.
        values: [weights].
        num_movies: Movies in the index.
    """
    order = np.lexsort((targets, movies))
    starts = np.searchsorted(movies[order], np.arange(num_movies + 1))
    return SparseWeights(starts, targets[order].astype(np.int32, copy=False), values[order])
