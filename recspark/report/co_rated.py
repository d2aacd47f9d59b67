"""Movies like the most rated ones by the weights of a model of co-ratings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recspark.recommend import co_rated
from recspark.report.inventory import Inventory
from recspark.scoring.lineage import parts_of, saved_model

NUM_KNOWN, NUM_NEIGHBORS = 10, 5


@dataclass(frozen=True)
class Neighbors:
    """Movies with those that are most like them, by `movie_index`."""

    model: str
    found: dict[int, list[tuple[int, float]]]
    """Movie to (movie, similarity), the most similar first; the most rated movie first."""


def find_co_rated(
    inventory: Inventory,
    names: Iterable[str],
    num_ratings: npt.NDArray[np.int64],
    *,
    min_ratings: int,
) -> Neighbors | None:
    """Return the neighbours of the most rated movies by the first model of ease or item_knn.

    None if there is no such model, or fewer than two movies have enough ratings.

    Args:
        inventory: The run.
        names: Names of models in order of preference.
        num_ratings: [movies], the most rated first.
        min_ratings: Movies with fewer ratings are left out.

    Raises:
        DataError: Weights are missing or damaged.
    """
    train, models = inventory.get("train"), inventory.models()
    listed = np.flatnonzero(num_ratings >= min_ratings)
    for name in dict.fromkeys(names):
        if train is None or name not in models or parts_of(models[name]) or len(listed) < 2:
            continue
        saved = saved_model(inventory.paths, name, models[name], train)
        if not co_rated.has_weights(saved):
            continue
        asked = np.arange(min(NUM_KNOWN, len(listed)))
        found: dict[int, list[tuple[int, float]]] = {movie: [] for movie in listed[asked].tolist()}
        places, _, others, values = co_rated.find_co_rated(
            saved, listed, num_ratings[listed], asked, NUM_NEIGHBORS
        )
        for place, other, value in zip(places, others, values, strict=True):
            found[int(listed[place])].append((int(listed[other]), float(value)))
        return Neighbors(name, found)
    return None
