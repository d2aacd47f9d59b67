from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.ml.feature import StringIndexer, StringIndexerModel
from pyspark.sql import DataFrame, SparkSession

from recspark import columns as c
from recspark.prepare.index import attach_index, count_ratings, fit_indexer, index_table


@pytest.fixture(scope="module")
def ratings(spark: SparkSession) -> DataFrame:
    # User 7 rated four movies, users 10 and 9 two each, user 3 one.
    rows = [(7, 1), (7, 2), (7, 3), (7, 4), (10, 1), (10, 2), (9, 1), (9, 5), (3, 1)]
    return spark.createDataFrame(rows, f"{c.USER_ID} INT, {c.MOVIE_ID} INT")


def indexed(ratings: DataFrame, column: str, min_ratings: int) -> list[tuple[int, ...]]:
    counts = count_ratings(ratings, column)
    table = index_table(counts, fit_indexer(counts, min_ratings))
    return [tuple(row) for row in table.collect()]


def test_most_ratings_come_first_and_ties_are_ordered_as_text(ratings: DataFrame) -> None:
    # "10" sorts before "9" as text.
    assert indexed(ratings, c.USER_ID, 1) == [(7, 0, 4), (10, 1, 2), (9, 2, 2), (3, 3, 1)]


def test_order_is_that_of_string_indexer_fitted_on_the_ratings(ratings: DataFrame) -> None:
    for column in (c.USER_ID, c.MOVIE_ID):
        fitted = StringIndexer(inputCol=column, outputCol=c.INDEX).fit(
            ratings.select(ratings[column].cast("string"))
        )
        ours = [str(row[0]) for row in indexed(ratings, column, 1)]
        assert ours == list(fitted.labels)


def test_sparse_ids_are_left_out(ratings: DataFrame) -> None:
    assert indexed(ratings, c.USER_ID, 2) == [(7, 0, 4), (10, 1, 2), (9, 2, 2)]


def test_saved_model_gives_the_same_index(ratings: DataFrame, tmp_path: Path) -> None:
    counts = count_ratings(ratings, c.USER_ID)
    fit_indexer(counts, 1).write().save(str(tmp_path / "indexer"))
    loaded = StringIndexerModel.load(str(tmp_path / "indexer"))
    table = index_table(counts, loaded)
    assert [row[c.ID] for row in table.collect()] == [7, 10, 9, 3]


def test_attach_index_keeps_just_the_known_ids(ratings: DataFrame) -> None:
    counts = count_ratings(ratings, c.USER_ID)
    table = index_table(counts, fit_indexer(counts, 2))
    joined = attach_index(ratings, table, c.USER_ID, c.USER_INDEX)
    found = sorted((row[c.USER_ID], row[c.USER_INDEX]) for row in joined.collect())
    assert found == [(7, 0)] * 4 + [(9, 2)] * 2 + [(10, 1)] * 2
