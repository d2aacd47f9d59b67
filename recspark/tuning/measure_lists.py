"""What the lists of a model that Spark fitted miss on valid: 1 − NDCG@10.

NDCG is that of `recspark.training.list_sample`, which judges trained models, but of fewer users.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
from pyspark.sql import SparkSession

from recspark.arrays.ndcg import measure_ndcg
from recspark.arrays.user_buckets import users_of
from recspark.cluster.tasks import spread
from recspark.datasets.histories import read_histories
from recspark.datasets.prepared import PreparedFacts
from recspark.scoring.block_scorers import ScorerFactory
from recspark.scoring.load import SavedModel, open_model
from recspark.scoring.predictors import NOTHING, Floats, Ints, PairModel
from recspark.training.list_sample import TOP_K

MAX_USERS = 1024
# Users and movies that are scored at a time, 4 bytes each.
BLOCK_CELLS = 1 << 23


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
            liked = held_out.keep(held_out.ratings >= limit)
            is_taken = np.array(users_of(bucket, **sizes)) % stride == 0
            is_known = (np.diff(known.starts) > 0) & (np.diff(liked.starts) > 0)
            rows = np.flatnonzero(is_taken & is_known)
            for row, scores in _score(open_model(saved), bucket, rows, facts.num_movies):
                scores[known.movies[known.starts[row] : known.starts[row + 1]]] = NOTHING
                yield _ndcg(scores, liked.movies[liked.starts[row] : liked.starts[row + 1]])

    found = spread(spark, buckets, len(buckets)).mapPartitions(add).collect()
    return 1 - float(np.mean(found)) if found else math.nan


def _score(
    model: PairModel, bucket: int, rows: Ints, num_movies: int
) -> Iterator[tuple[int, Floats]]:
    """Yield rows of users, and their scores of all movies, [M]; NOTHING where there is none."""
    factory = ScorerFactory(model, np.arange(num_movies))
    step = max(1, BLOCK_CELLS // num_movies)
    for start in range(0, len(rows), step):
        some = rows[start : start + step]
        block = np.empty((num_movies, len(some)), np.float32)
        factory.for_users(bucket, some).fill(slice(0, num_movies), block)
        block[np.isnan(block)] = NOTHING
        yield from zip(some.tolist(), np.ascontiguousarray(block.T), strict=True)


def _ndcg(scores: Floats, liked: npt.NDArray[np.int32]) -> float:
    listed = np.argsort(-scores, kind="stable")[:TOP_K]
    hits = np.flatnonzero(np.isin(listed, liked) & np.isfinite(scores[listed]))
    return float(measure_ndcg(np.zeros_like(hits), hits + 1, np.array([len(liked)]), TOP_K)[0])
