"""Similar movies by co-rating: those to whose score a rating of the movie adds most."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recspark.recommend.top_n import NOTHING, RunningTop, padded
from recspark.saved.items import SparseWeights
from recspark.scoring.item_model import ItemModel
from recspark.scoring.load import SavedModel, open_model, read_card
from recspark.scoring.predictors import Floats, Ints

# Weights that are compared at a time.
_WEIGHTS = 8_000_000


def has_weights(saved: SavedModel) -> bool:
    """Return whether a model is ease or item_knn."""
    return read_card(saved.folder).get("algorithm") in ("ease", "item_knn")


def find_co_rated(
    saved: SavedModel, listed: Ints, asked: Ints, count: int
) -> tuple[Ints, Ints, Ints, Floats]:
    """Return `nearest_by_weights` of a saved model of ease or item_knn."""
    model = open_model(saved)
    assert isinstance(model, ItemModel)
    return nearest_by_weights(model.weights, listed, asked, count)


def nearest_by_weights(
    weights: npt.NDArray[np.float32] | SparseWeights, listed: Ints, asked: Ints, count: int
) -> tuple[Ints, Ints, Ints, Floats]:
    """Return (place in `asked`, rank, position, weight) of what each movie adds to most.

    Only weights above 0 count, and never a movie's own.

    Args:
        weights: As `ItemModel` has them.
        listed: [listed], `movie_index` of the movies to compare.
        asked: [asked], positions in `listed`.
        count: Length of a list.
    """
    found = []
    step = max(1, _WEIGHTS // len(listed))
    for start in range(0, len(asked), step):
        some = asked[start : start + step]
        rows = _rows(weights, listed[some])[:, listed]
        rows[np.arange(len(some)), some] = NOTHING
        rows[rows <= 0] = NOTHING
        block = np.full((padded(len(listed)), len(some)), NOTHING, np.float32)
        block[: len(listed)] = rows.T
        top = RunningTop(len(some), count)
        top.add(block, 0)
        places, *others = top.lists()
        found.append((places + start, *others))
    places, rank, positions, values = (np.concatenate(one) for one in zip(*found, strict=True))
    return places, rank, positions, values


def _rows(
    weights: npt.NDArray[np.float32] | SparseWeights, movies: Ints
) -> npt.NDArray[np.float32]:
    """Return a copy of rows of the weights, [movies, M]."""
    if not isinstance(weights, SparseWeights):
        return np.array(weights[movies])
    rows = np.zeros((len(movies), len(weights.starts) - 1), np.float32)
    for row, movie in zip(rows, movies.tolist(), strict=True):
        part = slice(weights.starts[movie], weights.starts[movie + 1])
        row[weights.movies[part]] = weights.values[part]
    return rows
