from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from pyspark.ml.feature import StringIndexerModel
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from recspark.config import Config, PrepareConfig
from recspark.contract import columns as c
from recspark.contract import schemas
from recspark.contract.paths import RunPaths
from recspark.datasets.manifest import read_manifest
from recspark.datasets.step import Step
from recspark.errors import DataError
from recspark.files import parquet
from recspark.stages import prepare

NUM_USERS, NUM_MOVIES = 20, 15
RATINGS = schemas.RATINGS.with_ids(schemas.IdTypes())


@pytest.fixture
def config(spark: SparkSession, tmp_path: Path) -> Config:
    """A run with ingested ratings: user u rated the movies 1 … u, so counts are 1 … 15."""
    rows = [
        (user, movie, float(1 + (user + movie) % 5), datetime(2004, 1, 1 + movie, 12, movie))
        for user in range(1, NUM_USERS + 1)
        for movie in range(1, min(user, NUM_MOVIES) + 1)
    ]
    paths = RunPaths(str(tmp_path))
    step = Step("ingest", {}, {}, [paths.ratings])
    with step:
        frame = spark.createDataFrame(rows, RATINGS.ddl)
        parquet.write_dataset(frame, step.staging(paths.ratings), RATINGS)
        step.publish(paths.ratings, RATINGS)
    return Config(
        name="t",
        run_dir=str(tmp_path),
        prepare=PrepareConfig(test_fraction=0.3, valid_fraction=0.2, num_buckets=4),
    )


def with_prepare(config: Config, **changes: object) -> Config:
    return dataclasses.replace(config, prepare=dataclasses.replace(config.prepare, **changes))


def raw_rows(spark: SparkSession, root: str) -> list[tuple[object, ...]]:
    """Return the rows of all splits, mapped back to raw ids through the index tables."""
    paths = RunPaths(root)
    users = {r[c.INDEX]: r[c.ID] for r in spark.read.parquet(paths.user_index).collect()}
    movies = {r[c.INDEX]: r[c.ID] for r in spark.read.parquet(paths.movie_index).collect()}
    found = []
    for path in (paths.train, paths.valid, paths.test):
        for row in parquet.read_dataset(spark, path, schemas.TRAIN).collect():
            assert row[c.BUCKET] == row[c.USER_INDEX] % 4
            time = datetime(1970, 1, 1) + timedelta(seconds=row[c.RATED_AT])
            raw = users[row[c.USER_INDEX]], movies[row[c.MOVIE_INDEX]]
            found.append((*raw, row[c.RATING], time))
    return sorted(found)


def test_every_rating_comes_out_once_and_unchanged(config: Config, spark: SparkSession) -> None:
    prepare.run(config, spark)
    ratings = parquet.read_dataset(spark, RunPaths(config.root).ratings, schemas.RATINGS)
    expected = sorted(
        (r[c.USER_ID], r[c.MOVIE_ID], r[c.RATING], r[c.RATED_AT]) for r in ratings.collect()
    )
    assert raw_rows(spark, config.root) == expected


def test_counts_in_manifests_add_up_and_share_one_id(config: Config, spark: SparkSession) -> None:
    prepare.run(config, spark)
    paths = RunPaths(config.root)
    outputs = [paths.user_index, paths.user_indexer, paths.movie_index, paths.movie_indexer]
    manifests = [read_manifest(p) for p in [*outputs, paths.train, paths.valid, paths.test]]
    train = manifests[4]
    assert train is not None
    counts = train.counts
    assert counts["ratings"] == 195
    assert counts["train"] + counts["valid"] + counts["test"] == 195
    assert counts["filtered"] == 0
    assert (counts["num_users"], counts["num_movies"], counts["num_buckets"]) == (20, 15, 4)
    assert (counts["rating_min"], counts["rating_max"]) == (1.0, 5.0)
    assert sum(train.bucket_rows.values()) == train.num_rows == counts["train"]
    assert len({m.id for m in manifests if m}) == 1


def test_thresholds_filter_on_raw_counts_and_count_the_dropped_ratings(
    config: Config, spark: SparkSession
) -> None:
    # Users 1 … 4 have fewer than 5 ratings (10 in all); movies 12 … 15 fewer than 10 (6+7+8+9).
    prepare.run(with_prepare(config, min_ratings_per_user=5, min_ratings_per_movie=10), spark)
    train = read_manifest(RunPaths(config.root).train)
    assert train is not None
    assert train.counts["filtered"] == 10 + 6 + 7 + 8 + 9
    assert (train.counts["num_users"], train.counts["num_movies"]) == (16, 11)
    assert {row[0] for row in raw_rows(spark, config.root)} == set(range(5, 21))


def test_pairs_name_the_test_set(config: Config, spark: SparkSession, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("20\t15\n20\t1\n5\t5\n1\t15\n")  # user 1 never rated movie 15
    pairs_config = with_prepare(config, split="pairs", pairs=str(pairs))
    with pytest.raises(DataError, match="1 of 4 pairs that match no rating"):
        prepare.run(pairs_config, spark)
    prepare.run(with_prepare(pairs_config, max_unmatched_pairs=0.3), spark)
    manifest = read_manifest(RunPaths(config.root).test)
    assert manifest is not None
    assert manifest.num_rows == 3
    assert manifest.counts["pairs_unmatched"] == 1


def test_time_and_last_splits(config: Config, spark: SparkSession) -> None:
    def days(path: str) -> list[int]:
        frame = parquet.read_dataset(spark, path, schemas.TRAIN)
        return sorted(row[c.RATED_AT] for row in frame.collect())

    paths = RunPaths(config.root)
    # Movie m was always rated on January 1 + m; movies 12 … 15 are from the 13th on.
    prepare.run(with_prepare(config, split="time", cut_date="2004-01-13"), spark)
    assert len(days(paths.test)) == 9 + 8 + 7 + 6
    assert max(days(paths.train)) < min(days(paths.valid)) <= max(days(paths.valid))
    assert max(days(paths.valid)) < min(days(paths.test))
    prepare.run(with_prepare(config, split="last", num_last=2), spark)
    assert len(days(paths.test)) == 1 + 19 * 2  # user 1 has a single rating
    assert len(days(paths.valid)) == 1 + 17 * 2  # user 3 has one left, users 1 and 2 none


def test_second_run_is_skipped_and_a_change_runs_again(config: Config, spark: SparkSession) -> None:
    def made() -> str:
        manifest = read_manifest(RunPaths(config.root).train)
        assert manifest is not None
        return manifest.id

    prepare.run(config, spark)
    first = made()
    prepare.run(config, spark)
    assert made() == first
    prepare.run(with_prepare(config, valid_fraction=0.1), spark)
    assert made() != first


def test_same_seed_writes_the_same_rows_in_the_same_order(
    config: Config, spark: SparkSession
) -> None:
    def train_rows() -> list[object]:
        frame = parquet.read_dataset(spark, RunPaths(config.root).train, schemas.TRAIN)
        return frame.where(F.col(c.BUCKET) == 1).collect()

    prepare.run(config, spark)
    once = train_rows()
    prepare.run(dataclasses.replace(config, force=True), spark)
    assert train_rows() == once


def test_no_valid_is_an_empty_data_set(config: Config, spark: SparkSession) -> None:
    prepare.run(with_prepare(config, valid_fraction=0.0), spark)
    paths = RunPaths(config.root)
    assert parquet.read_dataset(spark, paths.valid, schemas.VALID).count() == 0


def test_saved_indexer_maps_raw_ids(config: Config, spark: SparkSession) -> None:
    prepare.run(config, spark)
    labels = StringIndexerModel.load(RunPaths(config.root).user_indexer).labels
    # Users 15 … 20 all rated 15 movies. Ties are ordered as text; then come 14, 13, …
    assert labels[:8] == ["15", "16", "17", "18", "19", "20", "14", "13"]


def test_filtering_everything_out_is_an_error(config: Config, spark: SparkSession) -> None:
    with pytest.raises(DataError, match="no users with 100 or more ratings"):
        prepare.run(with_prepare(config, min_ratings_per_user=100), spark)
    assert not list(Path(config.root).glob(".*.tmp"))
    assert read_manifest(RunPaths(config.root).train) is None


def test_pairs_that_match_nothing_are_an_error(
    config: Config, spark: SparkSession, tmp_path: Path
) -> None:
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("77\t1\n")
    with pytest.raises(DataError, match=r"1 of 1 pairs that match no rating \(user 77, movie 1\)"):
        prepare.run(with_prepare(config, split="pairs", pairs=str(pairs)), spark)


def test_without_ratings_it_names_the_stage_to_run(tmp_path: Path, spark: SparkSession) -> None:
    with pytest.raises(DataError, match=r"Run jobs/ingest\.py"):
        prepare.run(Config(name="t", run_dir=str(tmp_path)), spark)


def write_ratings(spark: SparkSession, config: Config, rows: list[tuple[object, ...]]) -> None:
    """Replace the ratings of a run; users are text and movies whole numbers."""
    types = schemas.IdTypes("STRING", "BIGINT")
    schema, path = schemas.RATINGS.with_ids(types), RunPaths(config.root).ratings
    with Step("ingest", {}, {}, [path]) as step:
        frame = spark.createDataFrame(rows, schema.ddl).coalesce(1)
        parquet.write_dataset(frame, step.staging(path), schema)
        step.publish(path, schema)


def events(repeats: int) -> list[tuple[object, ...]]:
    """Return ratings of users a … e, of which user a rated movie 1 several times, growing."""
    once = [(user, movie, 1.0, datetime(2004, 1, movie)) for user in "abcde" for movie in (1, 2, 3)]
    more = [("a", 1, 2.0 + n, datetime(2005, 1, 1, 0, 0, n)) for n in range(repeats)]
    return [*more[::-1], *once]


@pytest.mark.parametrize(
    ("policy", "rating"),
    [("last", 6.0), ("first", 1.0), ("sum", 21.0), ("max", 6.0), ("mean", 3.5)],
)
def test_repeats_are_settled_before_anything_is_counted(
    spark: SparkSession, config: Config, policy: str, rating: float
) -> None:
    write_ratings(spark, config, events(5))
    # User a has eight lines but three ratings, so that a minimum of four would leave nobody.
    wanted = with_prepare(config, duplicates=policy, test_fraction=0.0, valid_fraction=0.0)
    prepare.run(wanted, spark)
    paths = RunPaths(config.root)
    train = read_manifest(paths.train)
    assert train is not None
    assert (train.counts["ratings"], train.counts["train"], train.counts["repeats"]) == (20, 15, 5)
    index = spark.read.parquet(paths.user_index).orderBy(c.INDEX).collect()
    assert [tuple(row) for row in index] == [(x, n, 3) for n, x in enumerate("abcde")]
    movie = spark.read.parquet(paths.movie_index).where(F.col(c.ID) == 1).collect()[0][c.INDEX]
    rows = parquet.read_dataset(spark, paths.train, schemas.TRAIN)
    of_pair = rows.where((F.col(c.USER_INDEX) == 0) & (F.col(c.MOVIE_INDEX) == movie)).collect()
    assert [row[c.RATING] for row in of_pair] == [rating]
    assert not list(Path(config.root).glob(".*"))
    with pytest.raises(DataError, match="no users with 4 or more ratings"):
        prepare.run(with_prepare(wanted, min_ratings_per_user=4), spark)


def test_repeats_can_be_refused(spark: SparkSession, config: Config) -> None:
    write_ratings(spark, config, events(2))
    refusing = with_prepare(config, duplicates="refuse")
    with pytest.raises(DataError, match=r"2 ratings that repeat .*user 'a', movie 1: 3, 2, 1\)"):
        prepare.run(refusing, spark)
    assert read_manifest(RunPaths(config.root).train) is None


def test_whole_users_are_held_out(spark: SparkSession, config: Config) -> None:
    prepare.run(with_prepare(config, split="users", test_fraction=0.4), spark)
    paths = RunPaths(config.root)
    users = {
        path: {row[c.USER_INDEX] for row in spark.read.parquet(path).collect()}
        for path in (paths.train, paths.valid, paths.test)
    }
    assert len(users[paths.test]) > 2
    assert not users[paths.test] & (users[paths.train] | users[paths.valid])
    assert not users[paths.valid] & users[paths.train]


def test_each_user_gives_a_share(spark: SparkSession, config: Config) -> None:
    prepare.run(with_prepare(config, split="user_share", test_fraction=0.4), spark)
    paths = RunPaths(config.root)
    heavy = [row[c.INDEX] for row in spark.read.parquet(paths.user_index).collect() if row[2] == 15]
    test = spark.read.parquet(paths.test).groupBy(c.USER_INDEX).count()
    assert {row["count"] for row in test.where(F.col(c.USER_INDEX).isin(heavy)).collect()} == {6}


def test_without_a_test_part_all_is_train(spark: SparkSession, config: Config) -> None:
    prepare.run(with_prepare(config, test_fraction=0.0, valid_fraction=0.0), spark)
    train = read_manifest(RunPaths(config.root).train)
    assert train is not None
    assert train.num_rows == 195
