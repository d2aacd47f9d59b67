"""Nearest movies by the ratings of the same users.

With G the Gram matrix of `gram.py`, the similarity of movie i to movie j is
s_ij = G_ij / (G_ii^α G_jj^(1−α) + shrinkage): with α = 1/2 the cosine of their columns of weights,
less for pairs that few users rated. Above 1/2 it favours popular movies j (Aiolli 2013, "Efficient
top-N recommendation for very large scale binary rated datasets", equation 4). The score of user u
and movie j is Σ_i x_ui s_ij over the movies that he rated among the nearest of j.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pyspark.sql import SparkSession

from recspark.baselines.gram import GramPlan, GramRows, map_rows
from recspark.baselines.nearest_movies import BLOCK, by_rated, keep_highest
from recspark.config import ItemKnnConfig
from recspark.saved.items import SparseWeights

Floats = npt.NDArray[np.float32]


def fit(spark: SparkSession, plan: GramPlan, settings: ItemKnnConfig) -> SparseWeights:
    """Return the similarities to each movie of its nearest ones, by the nearest one.

    No process holds the matrix of all pairs.

    Args:
        spark: The session whose tasks do the work.
        plan: What they sum; whole rows are needed.
        settings: What a similarity is, and how many are kept.
    """
    found = map_rows(spark, plan, lambda rows: find_nearest(rows, settings))
    targets, movies, values = (np.concatenate(part) for part in zip(*found, strict=True))
    return by_rated(targets, movies, values, plan.num_movies)


def find_nearest(
    rows: GramRows, settings: ItemKnnConfig
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], Floats]:
    """Return (movie, a near movie, similarity) of the nearest movies of each row's movie.

    Similarities are above 0, no movie is near itself, and ties go to the lower index.
    """
    power = settings.asymmetry
    of_rated, of_listed = rows.diagonal**power, rows.diagonal ** (1 - power)
    movies = np.asarray(rows.movies, np.int32)
    found = []
    for start in range(0, len(movies), BLOCK):
        mine = movies[start : start + BLOCK]
        scale = np.outer(of_listed[mine], of_rated) + settings.shrinkage
        gram = rows.values[start : start + BLOCK]
        similar = np.divide(gram, scale, out=np.zeros_like(gram), where=gram > 0)
        similar[np.arange(len(mine)), mine] = 0
        row, near = keep_highest(similar, settings.num_neighbors, above=0)
        found.append((mine[row], near.astype(np.int32), similar[row, near]))
    targets, nearest, values = (np.concatenate(part) for part in zip(*found, strict=True))
    return targets, nearest, values
