"""What the lists of a model that Spark fitted miss on valid: 1 − NDCG@10.

NDCG is that of `recspark.training.list_sample`, which judges trained models, but of fewer users:
here every score is asked for by its pair.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
from pyspark.sql import SparkSession

from recspark.arrays.ndcg import measure_ndcg
from recspark.cluster.tasks import spread
from recspark.datasets.histories import Histories, read_histories
from recspark.datasets.prepared import PreparedFacts
from recspark.scoring.load import SavedModel, open_model
from recspark.scoring.predictors import PairModel
from recspark.training.list_sample import TOP_K

MAX_USERS = 1024


def measure_lists(
    spark: SparkSession,
    saved: SavedModel,
    valid: str,
    buckets: list[int],
    facts: PreparedFacts,
    relevant_rating: float | None,
) -> float:
    """Return 1 − NDCG of every n-th user; NaN if none has a rating in train and liked a movie.

    Args:
        spark: The session whose tasks score, one a bucket.
        saved: The model.
        valid: The data set.
        buckets: Buckets of valid that have rows.
        facts: Of train.
        relevant_rating: Ratings from it on show that a user liked the movie; None: all do.
    """
    stride = -(-facts.num_users // MAX_USERS)
    limit = -math.inf if relevant_rating is None else relevant_rating

    def add(mine: Iterable[int]) -> Iterator[float]:
        sizes = {"num_users": facts.num_users, "num_buckets": facts.num_buckets}
        for bucket in mine:
            known, held_out = (
                read_histories([path], bucket, **sizes) for path in (saved.train.path, valid)
            )
            for row in range(known.num_users):
                if (row * facts.num_buckets + bucket) % stride:
                    continue
                rated, wanted = known.take(np.array([row])), held_out.take(np.array([row]))
                liked = wanted.movies[wanted.ratings >= limit]
                if len(liked) and len(rated.movies):
                    scores = _score(open_model(saved), bucket, row, facts.num_movies, rated)
                    yield _ndcg(scores, liked)

    found = spread(spark, buckets, len(buckets)).mapPartitions(add).collect()
    return 1 - float(np.mean(found)) if found else math.nan


def _score(
    model: PairModel, bucket: int, row: int, num_movies: int, rated: Histories
) -> npt.NDArray[np.float64]:
    """Return a user's scores of all movies, [M]; −∞ where there is none, and for rated ones."""
    movies = np.arange(num_movies)
    scores = model.predict(bucket, np.full(num_movies, row), movies).astype(np.float64)
    scores[np.isnan(scores)] = -np.inf
    scores[rated.movies] = -np.inf
    return scores


def _ndcg(scores: npt.NDArray[np.float64], liked: npt.NDArray[np.int32]) -> float:
    listed = np.argsort(-scores, kind="stable")[:TOP_K]
    hits = np.flatnonzero(np.isin(listed, liked) & np.isfinite(scores[listed]))
    return float(measure_ndcg(np.zeros_like(hits), hits + 1, np.array([len(liked)]), TOP_K)[0])
