"""What a model has learned movies to be like: neighbours of the best known, and a flat map."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recspark.errors import ConfigError
from recspark.recommend.similar import nearest, to_units
from recspark.report.inventory import Inventory
from recspark.scoring.lineage import saved_model
from recspark.scoring.load import open_vectors
from recspark.scoring.predictors import Floats


@dataclass(frozen=True)
class Embedding:
    """The vectors of the movies that enough ratings stand behind."""

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
    fewest: int,
    most_points: int,
) -> Embedding | None:
    """Return the embedding of the first model that has one; None where none has.

    Args:
        inventory: The run.
        names: Models, the one to prefer first.
        num_ratings: [movies]
        fewest: Movies with fewer ratings are left out.
        most_points: Most movies to take: those with the most ratings.

    Raises:
        DataError: Weights are missing or damaged.
    """
    train, models = inventory.get("train"), inventory.models()
    assert train is not None  # as there are models
    for name in names:
        try:
            vectors = open_vectors(saved_model(inventory.paths, name, models[name], train))
        except ConfigError:
            continue  # bias, cosine_user and a blend know no such thing
        rows = np.flatnonzero((num_ratings >= fewest) & ~np.isnan(vectors).any(axis=1))
        rows = rows[:most_points]
        return Embedding(name, rows, np.asarray(vectors[rows], np.float32))
    return None


def find_neighbors(
    embedding: Embedding, num_movies: int, count: int
) -> list[tuple[int, list[tuple[int, float]]]]:
    """Return (movie, its nearest with their cosines) of the most rated movies, as `movie_index`.

    Args:
        embedding: Two movies or more.
        num_movies: How many movies to look at.
        count: Neighbours of each.
    """
    asked = np.arange(min(num_movies, len(embedding.rows)))
    found: list[list[tuple[int, float]]] = [[] for _ in asked]
    places, _, positions, cosines = nearest(to_units(embedding.vectors), asked, count)
    for place, position, cosine in zip(places, positions, cosines, strict=True):
        found[place].append((int(embedding.rows[position]), float(cosine)))
    return list(zip(embedding.rows[asked].tolist(), found, strict=True))


def project(vectors: Floats) -> tuple[npt.NDArray[np.float64], list[float]]:
    """Return the first two principal components, [points, 2], and their shares of the variance.

    Each direction is turned so that its largest coefficient is positive: the same vectors give the
    same map. Memory: the covariance, [V, V].

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
