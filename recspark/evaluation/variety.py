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
from typing import Any

import numpy as np
import numpy.typing as npt
from pyspark.sql import SparkSession

from recspark.arrays.hashing import hash_keys, uniform
from recspark.cluster.tasks import spread
from recspark.contract import columns as c
from recspark.datasets.train_buckets import read_bucket
from recspark.evaluation.list_figures import Doubles, Ints, Lists

GENRES, CO_RATING = "genres", "co-rating"
"""What the vectors of movies are made of."""

_SEPARATOR = "|"
_NO_GENRE = "(no genres listed)"
# Co-rating takes users with about this many ratings together, drawn by hash.
_MOST_RATINGS = 4_000_000
# Signs of a user; a movie's vector is projected onto so many directions.
_DIRECTIONS = 64


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


def sum_diversity(lists: Lists, vectors: Doubles, num_rows: int) -> tuple[float, int]:
    """Return the sum of the lists' diversities, and how many lists have one.

    The sum of the cosines of all pairs follows from the sum of the vectors: |Σ v|² − Σ |v|².

    Args:
        lists: Lists, already cut.
        vectors: [movies, V], about unit length, or 0 for a movie without.
        num_rows: Users whom the lists' rows may name.
    """
    mine = vectors[lists.movies]
    own = (mine * mine).sum(axis=1)
    count = np.bincount(lists.rows, own > 0, num_rows)
    squares = np.zeros(num_rows)
    for column in mine.T:
        squares += np.bincount(lists.rows, column, num_rows) ** 2
    has_pair = count >= 2
    pairs = count[has_pair] * (count[has_pair] - 1)
    cosines = (squares - np.bincount(lists.rows, own, num_rows))[has_pair]
    return float((1 - cosines / pairs).sum()), int(has_pair.sum())


def genre_vectors(genres: Sequence[str | None]) -> Doubles | None:
    """Return a unit vector for each movie, 0 if it has no genre, [movies, genres].

    None if no movie has any.

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
    return np.divide(vectors, lengths, out=vectors, where=lengths > 0)


def co_rating_vectors(
    spark: SparkSession, train: str, buckets: Sequence[int], support: Ints, seed: int
) -> Doubles:
    """Return vectors whose products estimate the cosines of who rated two movies, [movies, 64].

    Each user stands for 64 random signs, so a product of two movies' vectors is their cosine plus
    noise of mean 0, which averages out over the pairs of many lists (Achlioptas 2003). At most
    about 4 million ratings are used.

    Args:
        spark: The session whose tasks read train.
        train: Path of train.
        buckets: Its buckets.
        support: [movies], ratings in train.
        seed: Of the signs, and of the draw of the users.
    """
    share, num_movies = min(1.0, _MOST_RATINGS / max(int(support.sum()), 1)), len(support)

    def add(bucket: int) -> Doubles:
        users, movies = read_bucket(train, bucket, [c.USER_INDEX, c.MOVIE_INDEX])
        zeros = np.zeros_like(users)
        chosen = uniform(seed, "co-rating users", users, zeros) < share
        users, movies = users[chosen], movies[chosen]
        bits = hash_keys(seed, "co-rating signs", users, zeros[chosen])
        order = np.argsort(movies, kind="stable")
        signs = (bits[order, None] >> np.arange(_DIRECTIONS, dtype=np.uint64)) & np.uint64(1)
        found, starts = np.unique(movies[order], return_index=True)
        sums = np.zeros((num_movies, _DIRECTIONS + 1))
        if len(found):
            sums[found, :-1] = np.add.reduceat(2.0 * signs - 1.0, starts, axis=0)
            sums[:, -1] = np.bincount(movies, minlength=num_movies)
        return sums

    total = spread(spark, buckets, len(buckets)).map(add).treeReduce(np.add)
    lengths = np.sqrt(total[:, -1:] * _DIRECTIONS)
    signed: Doubles = total[:, :-1]
    return np.divide(signed, lengths, out=np.zeros_like(signed), where=lengths > 0)
