from __future__ import annotations

from datetime import date

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from recspark import columns as c
from recspark.prepare.buckets import shuffle_into_buckets, to_split_columns
from recspark.prepare.split import SPLIT


def ratings(spark: SparkSession) -> DataFrame:
    return spark.range(600).select(
        (F.col("id") % 30 + 1000).cast("int").alias(c.USER_ID),
        F.floor(F.col("id") / 30).cast("int").alias(c.MOVIE_ID),
        (F.col("id") % 30).cast("int").alias(c.USER_INDEX),
        F.floor(F.col("id") / 30).cast("int").alias(c.MOVIE_INDEX),
        F.lit(3.0).cast("float").alias(c.RATING),
        F.lit(date(1970, 1, 11)).alias(c.RATED_ON),
        F.lit("train").alias(SPLIT),
    )


def test_bucket_is_index_mod_buckets_and_day_counts_from_1970(spark: SparkSession) -> None:
    rows = to_split_columns(ratings(spark), 4).collect()
    assert all(row[c.BUCKET] == row[c.USER_INDEX] % 4 for row in rows)
    assert {row[c.RATED_DAY] for row in rows} == {10}


def test_bucket_is_whole_in_one_partition_and_shuffled_repeatably(spark: SparkSession) -> None:
    frame = to_split_columns(ratings(spark), 4)

    def order(source: DataFrame, seed: int) -> dict[int, list[tuple[int, int]]]:
        shuffled = shuffle_into_buckets(source, 4, seed).withColumn(
            "partition", F.spark_partition_id()
        )
        rows = shuffled.collect()
        partitions = {(row[c.BUCKET], row["partition"]) for row in rows}
        assert len(partitions) == 4
        return {
            b: [(r[c.USER_INDEX], r[c.MOVIE_INDEX]) for r in rows if r[c.BUCKET] == b]
            for b in range(4)
        }

    once = order(frame, seed=1)
    assert order(frame.repartition(5), seed=1) == once
    assert order(frame, seed=2) != once
    assert all(rows != sorted(rows) for rows in once.values())
    assert sum(len(set(rows)) for rows in once.values()) == 600
