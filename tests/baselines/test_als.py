from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from recspark.baselines import als
from recspark.saved import arrays
from tests.runs import split_frame


def test_it_learns_a_rank_one_table_and_gives_nan_for_the_unseen(
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
    saved = str(tmp_path / "spark_model")
    model.write().save(saved)
    als.export(str(tmp_path), saved, spark, num_users=15, num_movies=11, num_buckets=2)
    movies = arrays.read_movies(str(tmp_path))
    users = {bucket: arrays.read_users(str(tmp_path), bucket) for bucket in (0, 1)}
    assert {bucket: rows.shape for bucket, rows in users.items()} == {0: (8, 2), 1: (7, 2)}
    for user, movie in held_out:
        found = users[user % 2][user // 2] @ movies[movie]
        assert found == pytest.approx(table[user, movie], abs=0.05)
    assert np.isnan(movies[10]).all()
    assert np.isnan(users[0][6:]).all()
    assert np.isnan(users[1][6]).all()
    assert not np.isnan(users[0][:6]).any()
    assert not np.isnan(users[1][:6]).any()
