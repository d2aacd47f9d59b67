from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recspark.arrays.lookup import Lookup
from recspark.arrays.ratings import NO_TIME, Ratings
from recspark.cluster.tasks import commit_parts
from recspark.contract import columns as c
from recspark.prepare.buckets import Layout, choose_num_buckets, partition, write_bucket
from recspark.prepare.repeats import Repeat
from recspark.prepare.split import SPLITS, RandomSplit, Split
from tests.prepare.blocks import block_of, grid

NUM_BUCKETS = 4
BLOCK = grid(30, 20)


def lookup(size: int) -> Lookup:
    return Lookup.of(np.arange(size, dtype=np.int32)[::-1].copy())  # id i has index size-1-i


def layout(split: Split, seed: int) -> Layout:
    return Layout(lookup(30), lookup(20), split=split, duplicates="last", seed=seed)


ONLY_TRAIN = layout(RandomSplit(0.0, 0.0, 1), seed=1)


def partitioned(blocks: list[Ratings]) -> dict[int, list[pa.RecordBatch]]:
    received: dict[int, list[pa.RecordBatch]] = {bucket: [] for bucket in range(NUM_BUCKETS)}
    for block in blocks:
        for bucket, payload in partition(block, ONLY_TRAIN, NUM_BUCKETS):
            received[bucket].append(payload)
    return received


def rows_written(
    tmp_path: Path, blocks: list[Ratings], seed: int
) -> dict[tuple[str, int], pa.Table]:
    folders = {split: str(tmp_path / split) for split in SPLITS}
    tables = {}
    for bucket, payloads in partitioned(blocks).items():
        written = write_bucket(bucket, payloads, layout(RandomSplit(0.3, 0.3, 1), seed), folders)
        for split, part in written.files.items():
            commit_parts([part], folders[split])
            tables[split, bucket] = pq.read_table(part.target, partitioning=None)
            assert written.num_rows(split) == tables[split, bucket].num_rows
    return tables


def pairs(table: pa.Table) -> list[tuple[int, int]]:
    columns = (table.column(name).to_pylist() for name in (c.USER_INDEX, c.MOVIE_INDEX))
    return list(zip(*columns, strict=True))


def test_every_row_comes_out_once_in_its_users_bucket(tmp_path: Path) -> None:
    tables = rows_written(tmp_path, [BLOCK], seed=1)
    assert {split for split, _ in tables} == set(SPLITS)
    found = []
    for (_, bucket), table in tables.items():
        assert all(user % NUM_BUCKETS == bucket for user, _ in pairs(table))
        assert set(table.column(c.RATED_AT).to_pylist()) == {864_000}
        assert table.schema.field(c.RATED_AT).type == pa.int32()
        found += pairs(table)
    assert sorted(found) == [(user, movie) for user in range(30) for movie in range(20)]


def test_order_is_shuffled_and_does_not_depend_on_the_blocks(tmp_path: Path) -> None:
    whole = rows_written(tmp_path / "a", [BLOCK], seed=1)
    halves = [BLOCK.where(BLOCK.movies >= 9), BLOCK.where(BLOCK.movies < 9)]
    apart = rows_written(tmp_path / "b", halves, seed=1)
    assert {key: pairs(table) for key, table in apart.items()} == {
        key: pairs(table) for key, table in whole.items()
    }
    other = rows_written(tmp_path / "c", [BLOCK], seed=2)
    assert pairs(other["train", 0]) != pairs(whole["train", 0])
    assert pairs(whole["train", 0]) != sorted(pairs(whole["train", 0]))


def test_unknown_users_and_movies_are_filtered() -> None:
    few = dataclasses.replace(ONLY_TRAIN, users=lookup(3), movies=lookup(2))
    payloads = partition(BLOCK, few, NUM_BUCKETS)
    assert sum(batch.num_rows for _, batch in payloads) == 3 * 2


def test_rating_range_is_that_of_train(tmp_path: Path) -> None:
    ratings = np.where(BLOCK.movies == 0, 1.0, 4.0).astype(np.float32)
    block = Ratings(BLOCK.users, BLOCK.movies, ratings, BLOCK.times)
    payloads = [payload for _, payload in partition(block, ONLY_TRAIN, 1)]
    written = write_bucket(0, payloads, ONLY_TRAIN, {"train": str(tmp_path)})
    assert (written.rating_min, written.rating_max) == (1.0, 4.0)
    assert written.rating_sum == pytest.approx(30 * 1.0 + 30 * 19 * 4.0)


def test_buckets_beyond_16_bits_keep_their_users_apart() -> None:
    block = block_of([(0, 0), (3, 0), (69_999, 0)])
    many = dataclasses.replace(ONLY_TRAIN, users=Lookup.of(np.arange(70_000)))
    found = [bucket for bucket, _ in partition(block, many, num_buckets=70_000)]
    assert found == [0, 3, 69_999]


def test_time_that_is_not_known_is_null(tmp_path: Path) -> None:
    block = block_of([(0, 0), (1, 1)], time=NO_TIME)
    payloads = [payload for _, payload in partition(block, ONLY_TRAIN, 1)]
    folders = {"train": str(tmp_path)}
    written = write_bucket(0, payloads, ONLY_TRAIN, folders)
    commit_parts([written.files["train"]], str(tmp_path))
    table = pq.read_table(written.files["train"].target, partitioning=None)
    assert table.column(c.RATED_AT).to_pylist() == [None, None]


def test_repeats_are_settled_and_counted(tmp_path: Path) -> None:
    older, newer = block_of([(0, 0), (1, 1)], 2.0, 50), block_of([(0, 0)], 5.0, 60)
    payloads = [
        payload for block in (newer, older) for _, payload in partition(block, ONLY_TRAIN, 1)
    ]
    folders = {"train": str(tmp_path)}
    written = write_bucket(0, payloads, ONLY_TRAIN, folders)
    commit_parts([written.files["train"]], str(tmp_path))
    table = pq.read_table(written.files["train"].target, partitioning=None)
    assert sorted(table.column(c.RATING).to_pylist()) == [2.0, 5.0]
    assert written.num_repeats == 1
    # Ids 0 have the indexes 29 and 19. The ratings are shown in the order of the source.
    assert written.repeats == (Repeat(29, 19, (5.0, 2.0)),)


@pytest.mark.parametrize(
    ("num_ratings", "num_buckets"),
    [(1, 8), (16_000_000, 8), (16_000_001, 16), (100_480_507, 64), (10**9, 512)],
)
def test_buckets_follow_the_number_of_ratings(num_ratings: int, num_buckets: int) -> None:
    assert choose_num_buckets(num_ratings) == num_buckets
