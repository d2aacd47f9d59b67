from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pyspark.ml.feature import StringIndexer, StringIndexerModel
from pyspark.sql import SparkSession

from recspark.arrays.ids import Ids, TextIds
from recspark.arrays.tally import tally
from recspark.contract import columns as c
from recspark.prepare.index import order_ids, save_indexer

# User 7 rated four times, users 10 and 9 twice each, user 3 once.
IDS, COUNTS = np.array([3, 7, 9, 10]), np.array([1, 4, 2, 2])


def test_most_ratings_come_first_and_ties_are_ordered_as_text() -> None:
    table = order_ids(IDS, COUNTS)
    # "10" sorts before "9" as text.
    assert table.to_pydict() == {
        c.ID: [7, 10, 9, 3],
        c.INDEX: [0, 1, 2, 3],
        c.NUM_RATINGS: [4, 2, 2, 1],
    }


NUMBERS = np.random.default_rng(1).integers(-60, 60, size=500)
LETTERS = "ÄzAé😀a"
TEXTS = TextIds.of([f"{LETTERS[n % 6]}{n % 20}" for n in range(500)])


@pytest.mark.parametrize("ids", [NUMBERS, TEXTS], ids=["numbers", "text"])
def test_order_is_that_of_string_indexer_fitted_on_the_ratings(
    spark: SparkSession, ids: Ids
) -> None:
    texts = [str(x) for x in (ids if isinstance(ids, np.ndarray) else _texts(ids))]
    frame = spark.createDataFrame([(text,) for text in texts], f"{c.USER_ID} STRING")
    fitted = StringIndexer(inputCol=c.USER_ID, outputCol=c.INDEX).fit(frame)
    found = order_ids(*tally(ids)).column(c.ID).to_pylist()
    assert [str(value) for value in found] == list(fitted.labels)


def _texts(ids: TextIds) -> list[str]:
    values: list[str] = ids.values.to_pylist()
    return [values[code] for code in ids.codes]


def test_saved_model_maps_ids_as_the_table_does(spark: SparkSession, tmp_path: Path) -> None:
    save_indexer(spark, order_ids(IDS, COUNTS), str(tmp_path / "indexer"))
    loaded = StringIndexerModel.load(str(tmp_path / "indexer"))
    asked = spark.createDataFrame([("9",), ("77",), ("7",)], f"{c.ID} STRING")
    found = {row[c.ID]: row[c.INDEX] for row in loaded.transform(asked).collect()}
    assert found == {"9": 2.0, "7": 0.0}  # an unknown id is left out
