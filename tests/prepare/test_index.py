from __future__ import annotations

from pathlib import Path

import numpy as np
from pyspark.ml.feature import StringIndexer, StringIndexerModel
from pyspark.sql import SparkSession

from recspark.contract import columns as c
from recspark.prepare.index import make_indexer, order_ids

# User 7 rated four times, users 10 and 9 twice each, user 3 once.
IDS, COUNTS = np.array([3, 7, 9, 10]), np.array([1, 4, 2, 2])


def test_most_ratings_come_first_and_ties_are_ordered_as_text() -> None:
    table = order_ids(IDS, COUNTS)
    # "10" sorts before "9" as text.
    assert table.to_numpy().tolist() == [[7, 0, 4], [10, 1, 2], [9, 2, 2], [3, 3, 1]]
    assert list(table.columns) == [c.ID, c.INDEX, c.NUM_RATINGS]


def test_order_is_that_of_string_indexer_fitted_on_the_ratings(spark: SparkSession) -> None:
    generator = np.random.default_rng(1)
    users = generator.integers(1, 120, size=500)
    frame = spark.createDataFrame([(str(user),) for user in users], f"{c.USER_ID} STRING")
    fitted = StringIndexer(inputCol=c.USER_ID, outputCol=c.INDEX).fit(frame)
    ids, counts = np.unique(users, return_counts=True)
    assert [str(value) for value in order_ids(ids, counts)[c.ID]] == list(fitted.labels)


def test_saved_model_maps_ids_as_the_table_does(spark: SparkSession, tmp_path: Path) -> None:
    make_indexer(spark, order_ids(IDS, COUNTS)).write().save(str(tmp_path / "indexer"))
    loaded = StringIndexerModel.load(str(tmp_path / "indexer"))
    asked = spark.createDataFrame([("9",), ("77",), ("7",)], f"{c.ID} STRING")
    found = {row[c.ID]: row[c.INDEX] for row in loaded.transform(asked).collect()}
    assert found == {"9": 2.0, "7": 0.0}  # an unknown id is left out
