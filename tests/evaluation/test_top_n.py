from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession

from recspark.contract import columns as c
from recspark.datasets.prepared import PreparedFacts
from recspark.errors import DataError
from recspark.evaluation.top_n import index_lists, measure_lists
from tests.runs import prepared_counts

NUM_USERS, NUM_MOVIES = 30, 25
SUPPORT = np.array([0, 0, *range(1, NUM_MOVIES - 1)])


def lists_frame(spark: SparkSession, lists: dict[int, list[int]]) -> DataFrame:
    rows = [(u, m, i) for u, movies in lists.items() for i, m in enumerate(movies, start=1)]
    kinds = f"{c.USER_INDEX} INT, {c.MOVIE_INDEX} INT, {c.RANK} INT"
    return spark.createDataFrame(rows, kinds)


def held_out(spark: SparkSession, ratings: dict[tuple[int, int], float]) -> DataFrame:
    rows = [(user, movie, float(rating)) for (user, movie), rating in ratings.items()]
    return spark.createDataFrame(rows, f"{c.USER_INDEX} INT, {c.MOVIE_INDEX} INT, {c.RATING} FLOAT")


def brute_force(
    lists: dict[int, list[int]], ratings: dict[tuple[int, int], float], k: int, threshold: float
) -> dict[str, float]:
    figures: dict[str, list[float]] = {n: [] for n in ("precision", "recall", "ndcg", "map")}
    for user, movies in lists.items():
        relevant = {m for (u, m), r in ratings.items() if u == user and r >= threshold}
        if not relevant:
            continue
        cut = movies[:k]
        hits = [movie in relevant for movie in cut]
        figures["precision"].append(sum(hits) / k)
        figures["recall"].append(sum(hits) / len(relevant))
        gained = sum(hit / math.log2(i + 2) for i, hit in enumerate(hits))
        ideal = sum(1 / math.log2(i + 2) for i in range(min(k, len(relevant))))
        figures["ndcg"].append(gained / ideal)
        at = [sum(hits[: i + 1]) / (i + 1) for i, hit in enumerate(hits) if hit]
        figures["map"].append(sum(at) / min(k, len(relevant)))
    return {name: float(np.mean(values)) for name, values in figures.items()}


@pytest.mark.parametrize("k", [1, 5, 12])
def test_figures_are_those_of_the_definitions(spark: SparkSession, k: int) -> None:
    rng = np.random.default_rng(6)
    lists = {
        user: rng.permutation(NUM_MOVIES)[: rng.integers(1, 11)].tolist()
        for user in range(NUM_USERS - 4)
    }
    ratings = {
        (int(user), int(movie)): float(rng.integers(1, 6))
        for user, movie in np.argwhere(rng.random((NUM_USERS, NUM_MOVIES)) < 0.3)
        if user != 3
    }
    found = measure_lists(
        lists_frame(spark, lists),
        held_out(spark, ratings),
        top_k=k,
        relevant_rating=4.0,
        movie_support=SUPPORT,
        num_users=NUM_USERS,
        where="x",
    )
    for name, value in brute_force(lists, ratings, k, 4.0).items():
        assert found[name] == pytest.approx(value, abs=1e-9), name
    likers = {u for (u, _), rating in ratings.items() if rating >= 4}
    assert found["num_lists"] == len(lists)
    assert found["num_users"] == len(likers & set(lists))
    assert found["num_users_without_list"] == len(likers - set(lists))
    listed = [movie for movies in lists.values() for movie in movies[:k]]
    assert found["catalogue_coverage"] == pytest.approx(len(set(listed)) / NUM_MOVIES)
    bits = [-math.log2(max(int(SUPPORT[movie]), 1) / NUM_USERS) for movie in listed]
    assert found["novelty"] == pytest.approx(np.mean(bits), abs=1e-9)


def test_a_perfect_list_scores_one_in_every_figure(spark: SparkSession) -> None:
    found = measure_lists(
        lists_frame(spark, {0: [4, 2], 1: [1, 3]}),
        held_out(spark, {(0, 2): 5, (0, 4): 4, (0, 9): 3, (1, 1): 5, (1, 3): 5}),
        top_k=2,
        relevant_rating=4.0,
        movie_support=SUPPORT,
        num_users=NUM_USERS,
        where="x",
    )
    assert [found[name] for name in ("precision", "recall", "ndcg", "map")] == [1, 1, 1, 1]


def test_raw_ids_become_indices_and_unknown_ones_an_error(spark: SparkSession) -> None:
    index = f"{c.ID} INT, {c.INDEX} INT, {c.NUM_RATINGS} INT"
    users = spark.createDataFrame([(900, 0, 5), (800, 1, 4)], index)
    movies = spark.createDataFrame([(77, 0, 5), (66, 1, 4)], index)
    kinds = f"{c.USER_ID} INT, {c.RANK} INT, {c.MOVIE_ID} INT, {c.SCORE} FLOAT"
    lists = spark.createDataFrame([(800, 1, 77, 4.5), (900, 1, 66, 4.0)], kinds)
    indexed = index_lists(lists, users, movies)
    assert sorted(map(tuple, indexed.collect())) == [(0, 1, 1), (1, 0, 1)]
    unknown = spark.createDataFrame([(800, 1, 5, 4.5), (7, 1, 66, 4.0)], kinds)
    with pytest.raises(DataError, match="x: found 2 rows with ids that are not in the index"):
        measure_lists(
            index_lists(unknown, users, movies),
            held_out(spark, {(0, 0): 5}),
            top_k=2,
            relevant_rating=4.0,
            movie_support=np.array([1, 1]),
            num_users=2,
            where="x",
        )


def test_the_same_rank_twice_is_an_error(spark: SparkSession) -> None:
    lists = lists_frame(spark, {0: [4, 2]}).union(lists_frame(spark, {0: [7]}))
    with pytest.raises(DataError, match="x: found 1 users with the same rank"):
        measure(lists, held_out(spark, {(0, 2): 5}), 4.0)


def measure(lists: DataFrame, test: DataFrame, relevant_rating: float | None) -> dict[str, Any]:
    return measure_lists(
        lists,
        test,
        top_k=2,
        relevant_rating=relevant_rating,
        movie_support=SUPPORT,
        num_users=NUM_USERS,
        where="x",
    )


@pytest.mark.parametrize(
    ("lists", "relevant_rating", "why"),
    [
        ({}, 4.0, "there are no lists"),
        ({0: [4, 2]}, 5.5, "no user with a list has a test rating of 5.5 or higher"),
        ({1: [4, 2]}, 4.0, "no user with a list has a test rating of 4 or higher"),
        ({0: [4, 2]}, None, "all ratings of train are the same"),
    ],
)
def test_figures_that_cannot_be_measured_say_why(
    spark: SparkSession, lists: dict[int, list[int]], relevant_rating: float | None, why: str
) -> None:
    test = held_out(spark, {(0, 2): 5})
    found = measure(lists_frame(spark, lists), test, relevant_rating)
    assert found["unmeasured"].startswith(why)
    assert [found[name] for name in ("precision", "recall", "ndcg", "map")] == [None] * 4
    assert (found["num_lists"], found["num_users"]) == (len(lists), 0)
    assert found["catalogue_coverage"] == 2 * len(lists) / NUM_MOVIES
    bits = [-math.log2(SUPPORT[movie] / NUM_USERS) for movie in (4, 2)]
    assert found["novelty"] == (pytest.approx(np.mean(bits)) if lists else None)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2, 3, 4, 5], 4),
        ([0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5], 3.5),
        (range(1, 11), 7),
        (range(101), 60),
        (range(-10, 11), 2),
        ([-1, 1], 1),
        (np.arange(31, dtype=np.float32) / np.float32(10), np.float32(1.8)),
        ([2, 4], 4),
        ([1], None),
    ],
)
def test_the_upper_two_fifths_of_the_scale_are_relevant(
    values: Any, expected: float | None
) -> None:
    counts = prepared_counts(
        rating_min=float(min(values)),
        rating_max=float(max(values)),
        rating_values=tuple(map(float, values)),
    )
    facts = PreparedFacts(**{**counts, "rating_values": tuple(counts["rating_values"])})
    assert facts.relevant_rating == expected
