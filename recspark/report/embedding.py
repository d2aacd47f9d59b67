"""What a model has learned about movies: neighbours of the most rated ones, and a flat map."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recspark.errors import ConfigError
from recspark.recommend.similar import nearest, to_units
from recspark.report.inventory import Inventory
from recspark.scoring.lineage import parts_of, saved_model
from recspark.scoring.load import open_vectors
from recspark.scoring.predictors import Floats


@dataclass(frozen=True)
class Embedding:
    """The vectors of the movies that have enough ratings."""

    model: str
    rows: npt.NDArray[np.int64]
    """[points], `movie_index`, ascending: most rated first."""
    vectors: npt.NDArray[np.float32]
    """[points, any]"""


def open_embedding(
    inventory: Inventory,
    names: Iterable[str],
    num_ratings: npt.NDArray[np.int64],
    *,
    min_ratings: int,
    max_points: int,
) -> Embedding | None:
    """Return the embedding of the first model that has one, or None if none has.

    Args:
        inventory: The run.
        names: Names of models in order of preference.
        num_ratings: [movies]
        min_ratings: Movies with fewer ratings are left out.
        max_points: Maximum number of movies. The most rated ones are kept.

    Raises:
        DataError: Weights are missing or damaged.
    """
    train, models = inventory.get("train"), inventory.models()
    assert train is not None  # a run with models has train
    for name in names:
        if parts_of(models[name]):
            continue  # it combines others, which have embeddings
        try:
            vectors = open_vectors(saved_model(inventory.paths, name, models[name], train))
        except ConfigError:
            continue  # bias and cosine_user have no embeddings
        rows = np.flatnonzero((num_ratings >= min_ratings) & ~np.isnan(vectors).any(axis=1))
        rows = rows[:max_points]
        return Embedding(name, rows, np.asarray(vectors[rows], np.float32))
    return None


def find_neighbors(
    embedding: Embedding, num_movies: int, count: int
) -> list[tuple[int, list[tuple[int, float]]]]:
    """Return (movie, [(neighbour, cosine), …]) of the most rated movies, all as `movie_index`.

    Args:
        embedding: The embedding of at least two movies.
        num_movies: Number of movies to return.
        count: Number of neighbours per movie.
    """
    asked = np.arange(min(num_movies, len(embedding.rows)))
    found: list[list[tuple[int, float]]] = [[] for _ in asked]
    places, _, positions, cosines = nearest(to_units(embedding.vectors), asked, count)
    for place, position, cosine in zip(places, positions, cosines, strict=True):
        found[place].append((int(embedding.rows[position]), float(cosine)))
    return list(zip(embedding.rows[asked].tolist(), found, strict=True))


def project(vectors: Floats) -> tuple[npt.NDArray[np.float64], list[float]]:
    """Return the first two principal components, [points, 2], and their shares of the variance.

    The sign of each direction is chosen so that its largest coefficient is positive. The same
    vectors therefore give the same map. Memory: the covariance, [V, V].

    Args:
        vectors: [points, V]
    """
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    values, directions = np.linalg.eigh(centred.T @ centred)
    top = directions[:, ::-1][:, :2]
    top = top * np.sign(top[np.abs(top).argmax(axis=0), np.arange(top.shape[1])])
    points = np.zeros((len(vectors), 2))
    points[:, : top.shape[1]] = centred @ top
    total = values.sum()
    shares = [float(value / total) if total > 0 else 0.0 for value in values[::-1][:2]]
    return points, shares
