from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from recspark import columns as c
from recspark.baselines import als
from tests.runs import split_frame


def test_it_learns_a_rank_one_table_and_knows_what_it_has_not_seen(
    spark: SparkSession, tmp_path: Path
) -> None:
    spark.sparkContext.setCheckpointDir(str(tmp_path))
    table = np.outer(np.linspace(1, 2, 12), np.linspace(1, 2.5, 10))
    held_out = [(0, 9), (11, 0), (5, 5)]
    # User 12 and movie 10 exist in no training row.
    train = [
        (user, movie, float(table[user, movie]))
        for user in range(12)
        for movie in range(10)
        if (user, movie) not in held_out
    ]
    model = als.fit(
        split_frame(spark, train, 2),
        embedding_size=2,
        epochs=10,
        reg=0.001,
        num_blocks=2,
        seed=1,
    )
    wanted = [*held_out, (12, 0), (0, 10), (12, 10)]
    test = split_frame(spark, [(user, movie, 0.0) for user, movie in wanted], 2)
    found = als.predict(test, model)
    assert found.columns == [*test.columns, c.PREDICTION]
    by_pair = {
        (row[c.USER_INDEX], row[c.MOVIE_INDEX]): row[c.PREDICTION] for row in found.collect()
    }
    assert set(by_pair) == set(wanted)
    for pair in held_out:
        assert by_pair[pair] == pytest.approx(table[pair], abs=0.05)
    assert [by_pair[pair] for pair in wanted[3:]] == [None, None, None]
