"""What lists concentrate on: how few movies, how popular ones, and how alike those of one list.

coverage = share of the indexed movies that are in some list
    (Ge, Delgado-Battenfeld, Jannach 2010)
novelty = mean of −log2(n / U) over the entries, in bits: n are the movie's ratings in train, at
    least 1, and U the users in the index (Vargas and Castells 2011)
concentration = Gini coefficient of how often each indexed movie is listed: 0 if all are listed
    equally often, near 1 if a few fill all lists (Fleder and Hosanagar 2009)
popularity lift = mean ratings in train of the listed movies, each time they are listed, divided
    by that of the rated movies, each time they are rated; above 1, lists are more popular than
    what people choose (after Abdollahpouri et al. 2019)
diversity = 1 − the mean cosine over the pairs of a list's movies, averaged over the lists with
    such a pair (the intra-list similarity of Ziegler et al. 2005). A movie's vector has 1 for
    each of its genres. Where no movie has genres, it has 1 for each user who rated it in train.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pyspark.sql import SparkSession

from recspark.arrays.hashing import hash_keys, uniform
from recspark.cluster.tasks import spread
from recspark.contract import columns as c
from recspark.datasets.train_buckets import read_bucket
from recspark.evaluation.list_figures import Ints, Lists

GENRES, CO_RATING = "genres", "co-rating"
"""What the vectors of movies are made of."""

_SEPARATOR = "|"
_NO_GENRE = "(no genres listed)"
# Co-rating takes users with about this many ratings together, and measures about so many lists.
_MOST_RATINGS, _MOST_LISTS = 1_000_000, 10_000
# Signs of a user; a movie's vector is projected onto so many directions.
_DIRECTIONS, _BITS = 512, 64


@dataclass(frozen=True)
class MovieVectors:
    """Vectors of movies whose products say how alike two movies are.

    Attributes:
        made_of: What they are made of: genres, or co-rating.
        values: [movies, any], about unit length, or 0 for a movie without.
        share: Share of the lists to measure with them, 0 to 1.
    """

    made_of: str
    values: npt.NDArray[np.floating[Any]]
    share: float = 1.0

    def choose(self, users: Ints, seed: int) -> npt.NDArray[np.bool_]:
        """Return which users' lists are measured, [users]; drawn by hash of `user_index`."""
        return uniform(seed, "diversity", users, np.zeros_like(users)) < self.share


def summarise(listed: Ints, support: npt.NDArray[np.int64], num_users: int) -> dict[str, Any]:
    """Return coverage, novelty, concentration and popularity lift; None where there are no lists.

    Args:
        listed: [movies], how many lists hold each movie.
        support: [movies], ratings in train.
        num_users: Users in the index.
    """
    total = int(listed.sum())
    novelty, lift = None, None
    if total:
        novelty = float(-(np.log2(np.maximum(support, 1) / num_users) @ listed) / total)
        counts = support.astype(np.float64)
        lift = float((counts @ listed / total) / (counts @ counts / counts.sum()))
    return {
        "catalogue_coverage": float(np.count_nonzero(listed) / len(listed)),
        "novelty": novelty,
        "concentration": measure_gini(listed) if total else None,
        "popularity_lift": lift,
    }


def measure_gini(counts: Ints) -> float:
    """Return Σ (2 i − n − 1) x_i / (n Σ x), with the n counts x ascending and i from 1."""
    ascending = np.sort(counts).astype(np.float64)
    size = len(ascending)
    weights = 2.0 * np.arange(1, size + 1) - size - 1
    return float(weights @ ascending / (size * ascending.sum()))


def sum_diversity(lists: Lists, vectors: MovieVectors, num_rows: int) -> tuple[float, int]:
    """Return the sum of the lists' diversities, and how many lists have one.

    The sum of the cosines of all pairs follows from the sum of the vectors: |Σ v|² − Σ |v|².

    Args:
        lists: Lists, already cut.
        vectors: The movies' vectors.
        num_rows: Users whom the lists' rows may name.
    """
    mine = vectors.values[lists.movies]
    own = (mine * mine).sum(axis=1)
    count = np.bincount(lists.rows, own > 0, num_rows)
    squares = np.zeros(num_rows)
    for column in mine.T:
        squares += np.bincount(lists.rows, column, num_rows) ** 2
    has_pair = count >= 2
    pairs = count[has_pair] * (count[has_pair] - 1)
    cosines = (squares - np.bincount(lists.rows, own, num_rows))[has_pair]
    return float((1 - cosines / pairs).sum()), int(has_pair.sum())


def genre_vectors(genres: Sequence[str | None]) -> MovieVectors | None:
    """Return the vectors of movies by genre; None if no movie has any.

    Args:
        genres: [movies], separated by |.
    """
    names = [
        [name for name in (text or "").split(_SEPARATOR) if name and name != _NO_GENRE]
        for text in genres
    ]
    place = {name: at for at, name in enumerate(sorted({one for found in names for one in found}))}
    if not place:
        return None
    vectors = np.zeros((len(names), len(place)))
    for row, found in enumerate(names):
        vectors[row, [place[name] for name in found]] = 1.0
    lengths = np.sqrt(vectors.sum(axis=1, keepdims=True))
    return MovieVectors(GENRES, np.divide(vectors, lengths, out=vectors, where=lengths > 0))


def co_rating_vectors(
    spark: SparkSession,
    train: str,
    buckets: Sequence[int],
    *,
    num_ratings: int,
    num_users: int,
    num_movies: int,
    seed: int,
) -> MovieVectors:
    """Return vectors whose products estimate the cosines of who rated two movies.

    Each user stands for 512 random signs, so a product of two movies' vectors is their cosine plus
    noise of mean 0 (Achlioptas 2003). A mean cosine is known to about √(2 / 512), 6 % of itself,
    and this error is the same for all models of a run. At most about a million ratings are used,
    and about 10,000 lists measured.

    Args:
        spark: The session whose tasks read train.
        train: Path of train.
        buckets: Its buckets.
        num_ratings: Ratings of train.
        num_users: Users in the index.
        num_movies: Movies in the index.
        seed: Of the signs, and of the draws of users and lists.
    """
    share = min(1.0, _MOST_RATINGS / num_ratings)
    hashes, shifts = np.arange(_DIRECTIONS // _BITS), np.arange(_BITS, dtype=np.uint64)

    def add(bucket: int) -> npt.NDArray[np.float32]:
        users, movies = read_bucket(train, bucket, [c.USER_INDEX, c.MOVIE_INDEX])
        chosen = uniform(seed, "co-rating users", users, np.zeros_like(users)) < share
        order = np.argsort(movies[chosen], kind="stable")
        users, movies = users[chosen][order], movies[chosen][order]
        distinct, place = np.unique(users, return_inverse=True)
        bits = hash_keys(seed, "co-rating signs", distinct[:, None], hashes[None, :])
        signs = ((bits[:, :, None] >> shifts) & np.uint64(1)).reshape(len(distinct), _DIRECTIONS)
        found, starts = np.unique(movies, return_index=True)
        sums = np.zeros((num_movies, _DIRECTIONS + 1), np.float32)
        if len(found):
            values = 2 * signs.astype(np.float32) - 1
            sums[found, :-1] = np.add.reduceat(values[place.reshape(-1)], starts, axis=0)
            sums[:, -1] = np.bincount(movies, minlength=num_movies)
        return sums

    total = spread(spark, buckets, len(buckets)).map(add).treeReduce(np.add)
    lengths = np.sqrt(total[:, -1:] * _DIRECTIONS)
    vectors = np.divide(total[:, :-1], lengths, out=np.zeros_like(total[:, :-1]), where=lengths > 0)
    return MovieVectors(CO_RATING, vectors, min(1.0, _MOST_LISTS / num_users))
