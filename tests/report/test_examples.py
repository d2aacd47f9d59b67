from __future__ import annotations

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession

from recspark.contract import schemas
from recspark.contract.schemas import IdTypes
from recspark.report.examples import Listed, choose_users, describe_users
from recspark.report.movies import Movies, make_unique, name_movie
from tests.runs import movie_id, split_frame, user_id

NUM_USERS = 200


@pytest.fixture(scope="module")
def index(spark: SparkSession) -> DataFrame:
    rows = [(user_id(user), user, NUM_USERS - user) for user in range(NUM_USERS)]
    return spark.createDataFrame(rows, schemas.USER_INDEX.with_ids(IdTypes()).ddl)


def make_lists(spark: SparkSession, users: range | list[int]) -> DataFrame:
    rows = [(user_id(user), rank, movie_id(rank), 5.0 - rank) for user in users for rank in (1, 2)]
    return spark.createDataFrame(rows, schemas.RECOMMENDATIONS.with_ids(IdTypes()).ddl)


def choose(lists: DataFrame, index: DataFrame, seed: int = 1, count: int = 10) -> dict[int, int]:
    return choose_users(lists, index, num_users=NUM_USERS, seed=seed, count=count)


def test_one_user_per_tenth_is_drawn_by_seed(spark: SparkSession, index: DataFrame) -> None:
    lists = make_lists(spark, range(NUM_USERS))
    chosen = choose(lists, index)
    assert [user * 10 // NUM_USERS for user in chosen] == list(range(10))
    assert chosen == {user: user_id(user) for user in chosen}
    assert choose(lists.repartition(7), index.repartition(5)) == chosen
    others = [choose(lists, index, seed) for seed in (2, 3)]
    assert all(len(other.keys() & chosen.keys()) < 5 for other in others)


def test_only_users_with_lists_are_drawn(spark: SparkSession, index: DataFrame) -> None:
    some = [3, 4, 5, 6, 120, 199]
    assert list(choose(make_lists(spark, some), index)) == some
    # The first user of each part, then the next ones of parts that have more.
    three = list(choose(make_lists(spark, some), index, count=3))
    assert three[0] in (3, 4, 5, 6)
    assert three[1:] == [120, 199]


def test_users_are_described_by_titles(spark: SparkSession) -> None:
    num_movies = 6
    movies = Movies(
        ids=[movie_id(movie) for movie in range(num_movies)],
        num_ratings=np.ones(num_movies, np.int64),
        labels=[f"Film {movie}" for movie in range(num_movies)],
    )
    known = split_frame(spark, [(4, 0, 3.0), (4, 5, 5.0), (4, 3, 5.0), (8, 1, 2.5), (1, 1, 1.0)], 4)
    test = split_frame(spark, [(4, 2, 4.0), (8, 2, 1.0), (1, 2, 5.0)], 4)
    found = describe_users(
        {4: user_id(4), 8: user_id(8)},
        known,
        test,
        make_lists(spark, [1, 4, 8]),
        movies,
        num_buckets=4,
        length=2,
    )
    listed = [Listed("Film 1", 4.0, None), Listed("Film 2", 3.0, 4.0)]
    assert [one.user_id for one in found] == [user_id(4), user_id(8)]
    assert found[0].num_ratings == 3
    assert found[0].liked == [("Film 3", 5.0), ("Film 5", 5.0)]
    assert found[0].listed == listed
    assert found[1].liked == [("Film 1", 2.5)]
    assert found[1].listed[1].given == 1.0


def test_reasons_are_shown_by_title(spark: SparkSession) -> None:
    movies = Movies([7, 9, 11], np.ones(3, np.int64), ["Film A", "Film B", "Film C"])
    reasons = schemas.list_columns(titles=False, reasons=True, movie="BIGINT")
    schema = schemas.RECOMMENDATIONS.with_ids(IdTypes()).with_columns(reasons)
    rows = [
        (user_id(4), 1, 9, 1.0, [(11, 0.75), (7, 0.25)]),
        (user_id(4), 2, 7, 0.5, []),
        (user_id(5), 1, 9, 1.0, [(7, 3.0)]),
    ]
    known = split_frame(spark, [(4, 0, 3.0)], 4)
    lists = spark.createDataFrame(rows, schema.ddl)
    users = {4: user_id(4)}
    [found] = describe_users(users, known, known, lists, movies, num_buckets=4, length=5)
    assert [(one.title, one.reasons) for one in found.listed] == [
        ("Film B", [("Film C", 0.75), ("Film A", 0.25)]),
        ("Film A", []),
    ]


@pytest.mark.parametrize(
    ("title", "year", "label"),
    [
        ("Toy Story", 1995, "Toy Story (1995)"),
        ("Toy Story (1995)", 1995, "Toy Story (1995)"),
        ("Untimely", None, "Untimely"),
        (None, 1990, "movie 7"),
        ("", None, "movie 7"),
        ("\N{NO-BREAK SPACE}", None, "movie 7"),
        ("t" * 300, None, "t" * 199 + "…"),
    ],
)
def test_movies_are_named_with_their_year(title: str | None, year: int | None, label: str) -> None:
    assert name_movie(7, title, year) == label


def test_repeated_titles_include_the_id() -> None:
    labels = ["Chasing Amy (1997)", "Contact (1997)", "Chasing Amy (1997)", "Contact (1999)"]
    assert make_unique([246, 258, 268, "x"], labels) == [
        *("Chasing Amy (1997), id 246", "Contact (1997)"),
        *("Chasing Amy (1997), id 268", "Contact (1999)"),
    ]
