"""Similar movies by co-rating: those to whose score a rating of the movie adds most.

What it adds grows with how often the other movie was rated. It counts as if that were as often as
the movie itself, by the root of their ratio.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recspark.recommend.top_n import NOTHING, RunningTop, padded
from recspark.saved.items import SparseWeights
from recspark.scoring.item_model import ItemModel
from recspark.scoring.load import SavedModel, open_model, read_card
from recspark.scoring.predictors import Floats, Ints

# Added to how often a movie was rated, so that movies with few ratings do not come first.
_SHRINKAGE = 30
# Weights that are compared at a time.
_WEIGHTS = 8_000_000


def has_weights(saved: SavedModel) -> bool:
    """Return whether a model is ease or item_knn."""
    return read_card(saved.folder).get("algorithm") in ("ease", "item_knn")


def find_co_rated(
    saved: SavedModel, listed: Ints, num_ratings: Ints, asked: Ints, count: int
) -> tuple[Ints, Ints, Ints, Floats]:
    """Return `nearest_by_weights` of a saved model of ease or item_knn."""
    model = open_model(saved)
    assert isinstance(model, ItemModel)
    return nearest_by_weights(model.weights, listed, num_ratings, asked, count)


def nearest_by_weights(
    weights: npt.NDArray[np.float32] | SparseWeights,
    listed: Ints,
    num_ratings: Ints,
    asked: Ints,
    count: int,
) -> tuple[Ints, Ints, Ints, Floats]:
    """Return (place in `asked`, rank, position, similarity) of the movies most like each.

    The similarity is the weight · √((n + 30) / (n' + 30)), n the ratings of the movie and n' those
    of the other. Only weights above 0 count, and never a movie's own.

    Args:
        weights: As `ItemModel` has them.
        listed: [listed], `movie_index` of the movies to compare.
        num_ratings: [listed], ratings of each.
        asked: [asked], positions in `listed`.
        count: Length of a list.
    """
    found = []
    root = np.sqrt(num_ratings + _SHRINKAGE).astype(np.float32)
    step = max(1, _WEIGHTS // len(listed))
    for start in range(0, len(asked), step):
        some = asked[start : start + step]
        rows = _rows(weights, listed[some])[:, listed] * (root[some, None] / root)
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
