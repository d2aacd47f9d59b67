"""Quality of top-N lists: how many of the held-out movies that a user liked do they hold.

Legend: the first k ranks count; L is the user's list cut at k, R the user's relevant movies: those
in test that the user rated `relevant_rating` or higher, by default the upper two fifths of the
rating scale. For each user, with rel_i = 1 where the movie at rank i is in R:

    precision = |L ∩ R| / k                     recall = |L ∩ R| / |R|
    average precision = Σ_i rel_i · (|{j ≤ i : rel_j = 1}| / i) / min(k, |R|)
    NDCG = Σ_i rel_i / log2(i + 1), divided by the same sum for a list that begins with R

Sources: Manning, Raghavan, Schütze 2008, chapter 8 (precision, recall, MAP; here cut at k, and so
divided by min(k, |R|)); Järvelin and Kekäläinen 2002 (NDCG, here with gains of 0 and 1). The
figure is the mean over users. A movie that the user never rated counts as not relevant, so all
figures are low in absolute terms, and comparable only between models of one protocol.

Over all lists: coverage of the catalogue is the share of the indexed movies that are in some list
(Ge, Delgado-Battenfeld, Jannach 2010); novelty is the mean self-information −log2(n / U) of the
listed movies in bits, with n the movie's ratings in train, at least 1, and U the users in the index
(Zhou et al. 2010).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recspark.contract import columns as c
from recspark.errors import DataError, describe

_REPEATED = "_repeated"
_NUM_RELEVANT = "_num_relevant"
_HAS_LIST = "_has_list"
_IS_RELEVANT = "_is_relevant"
_RANKS = "_ranks"
_NUM_LISTS = "_num_lists"


def index_lists(lists: DataFrame, users: DataFrame, movies: DataFrame) -> DataFrame:
    """Return `user_index`, `movie_index`, `rank` of lists of raw ids; each row stays once.

    Args:
        lists: Rows with `user_id`, `movie_id`, `rank`.
        users: The user index, unique by id.
        movies: The movie index, unique by id.
    """
    by_user = users.select(F.col(c.ID).alias(c.USER_ID), F.col(c.INDEX).alias(c.USER_INDEX))
    by_movie = movies.select(F.col(c.ID).alias(c.MOVIE_ID), F.col(c.INDEX).alias(c.MOVIE_INDEX))
    indexed = lists.join(by_user, c.USER_ID, how="left").join(
        F.broadcast(by_movie), c.MOVIE_ID, how="left"
    )
    return indexed.select(c.USER_INDEX, c.MOVIE_INDEX, c.RANK)


def measure_lists(
    lists: DataFrame,
    test: DataFrame,
    *,
    top_k: int,
    relevant_rating: float | None,
    movie_support: npt.NDArray[np.int64],
    num_users: int,
    where: str,
) -> dict[str, Any]:
    """Return the top-N figures of one model's lists.

    Precision, recall, NDCG and MAP are means over the `num_users` users who have both a list and a
    relevant movie; `num_users_without_list` counts the users with a relevant movie but no list. If
    there are no such users, these figures are None and `unmeasured` says why, else it is None.

    Args:
        lists: Rows with `user_index`, `movie_index`, `rank` (from 1, each once per user).
        test: Rows with `user_index`, `movie_index`, `rating`, unique by user and movie.
        top_k: Ranks that are measured.
        relevant_rating: Lowest rating that makes a movie relevant; None if no rating does.
        movie_support: [movies], ratings in train.
        num_users: Users in the index.
        where: The lists' name, for messages.

    Raises:
        DataError: A list has an unknown id or the same rank twice.
    """
    counted = lists.where(F.col(c.RANK) <= top_k)
    listed = count_listed(counted, len(movie_support), where)
    is_relevant = F.lit(False) if relevant_rating is None else F.col(c.RATING) >= relevant_rating
    relevant = test.where(is_relevant).select(c.USER_INDEX, c.MOVIE_INDEX)
    ranked = counted.join(
        relevant.withColumn(_IS_RELEVANT, F.lit(True)), [c.USER_INDEX, c.MOVIE_INDEX], how="left"
    )
    # collect_list skips nulls, which leaves the ranks of the hits.
    hits = ranked.groupBy(c.USER_INDEX).agg(
        F.sort_array(F.collect_list(F.when(F.col(_IS_RELEVANT), F.col(c.RANK)))).alias(_RANKS),
        (F.count(c.RANK) > F.countDistinct(c.RANK)).alias(_REPEATED),
        F.lit(True).alias(_HAS_LIST),
    )
    wanted = relevant.groupBy(c.USER_INDEX).agg(F.count(F.lit(1)).alias(_NUM_RELEVANT))
    users = hits.join(wanted, c.USER_INDEX, how="full")
    is_counted = F.col(_HAS_LIST) & F.col(_NUM_RELEVANT).isNotNull()
    figures = [F.avg(F.when(is_counted, value)) for value in _user_figures(top_k)]
    [(num_lists, repeated, counted_users, without, *means)] = users.agg(
        F.count(_HAS_LIST).alias(_NUM_LISTS),
        F.count(F.when(F.col(_REPEATED), 1)),
        F.count(F.when(is_counted, 1)),
        F.count(F.when(F.col(_HAS_LIST).isNull(), 1)),
        *figures,
    ).collect()
    if repeated:
        raise DataError(_bad_lists(where, f"{repeated:,} users with the same rank twice"))
    share = np.maximum(movie_support, 1) / num_users
    num_listed = int(listed.sum())
    return {
        "k": top_k,
        "relevant_rating": relevant_rating,
        "num_lists": num_lists,
        "num_users": counted_users,
        "num_users_without_list": without,
        "unmeasured": None if counted_users else _why_unmeasured(num_lists, relevant_rating),
        **dict(zip(("precision", "recall", "ndcg", "map"), means, strict=True)),
        "catalogue_coverage": float(np.count_nonzero(listed) / len(listed)),
        "novelty": float(-(np.log2(share) @ listed) / num_listed) if num_listed else None,
    }


def _why_unmeasured(num_lists: int, relevant_rating: float | None) -> str:
    if not num_lists:
        return "there are no lists"
    if relevant_rating is None:
        return (
            "all ratings of train are the same, so none of them shows what a user liked; if every "
            "rating does, set evaluate.relevant_rating to it"
        )
    return f"no user with a list has a test rating of {relevant_rating:g} or higher"


def count_listed(lists: DataFrame, num_movies: int, where: str) -> npt.NDArray[np.int64]:
    """Return how many lists hold each movie, [movies].

    Raises:
        DataError: A user or movie is not in the index.
    """
    unknown = F.col(c.USER_INDEX).isNull() | F.col(c.MOVIE_INDEX).isNull()
    counts = np.zeros(num_movies, np.int64)
    num_unknown = 0
    for movie, rows, missing in (
        lists.groupBy(c.MOVIE_INDEX).agg(F.count(F.lit(1)), F.count(F.when(unknown, 1))).collect()
    ):
        num_unknown += missing
        if movie is not None:
            counts[movie] = rows
    if num_unknown:
        raise DataError(
            _bad_lists(where, f"{num_unknown:,} rows with ids that are not in the index")
        )
    return counts


def _user_figures(top_k: int) -> list[Column]:
    """Return precision, recall, NDCG and average precision of a user from the ranks of the hits."""
    ranks = F.col(_RANKS)
    num_hits = F.size(ranks).cast("double")
    best = F.least(F.col(_NUM_RELEVANT), F.lit(top_k))
    gains = [1 / math.log2(rank + 1) for rank in range(1, top_k + 1)]
    ideal = F.array(*(F.lit(sum(gains[:count])) for count in range(1, top_k + 1)))

    def total(terms: Column) -> Column:
        return F.aggregate(terms, F.lit(0.0), lambda left, right: left + right)

    gained = total(F.transform(ranks, lambda rank: 1 / F.log2(rank + F.lit(1.0))))
    # The j-th hit at rank i has precision j / i; transform counts from 0.
    precisions = total(F.transform(ranks, lambda rank, before: (before + F.lit(1.0)) / rank))
    return [
        num_hits / F.lit(top_k),
        num_hits / F.col(_NUM_RELEVANT),
        gained / F.element_at(ideal, best.cast("int")),
        precisions / best,
    ]


def _bad_lists(where: str, found: str) -> str:
    return describe(
        where,
        found=found,
        expected="lists of indexed movies for indexed users, each rank once",
        remedy="Run jobs/recommend.py with --force for this model.",
    )
