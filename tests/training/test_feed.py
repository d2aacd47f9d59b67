from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest
import torch

from recspark.arrays.user_buckets import Shard
from recspark.config import TrainConfig
from recspark.errors import TrainingError
from recspark.training import feed
from recspark.training.readers import Reader, load_reader
from recspark.training.stored import Columns
from tests.training.jobs import write_bucket

CPU = torch.device("cpu")
SETTINGS = TrainConfig()
ROWS = {0: 70, 2: 40}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six users in four buckets, of which 1 and 3 are empty; the path has a space."""
    target = tmp_path / "a run" / "train"
    for bucket, rows in ROWS.items():
        users = np.arange(rows) % 2 * 4 + bucket  # users `bucket` and `bucket + 4`
        write_bucket(target, bucket, users, np.arange(rows) % 9, np.arange(rows) / 2)
    (target / "_MANIFEST.json").write_text("{}")
    (target / "bucket=0" / ".part-0.parquet.crc").write_text("x")
    return target


def shard(rank: int = 0, num_ranks: int = 1) -> Shard:
    return Shard(num_users=8, num_buckets=4, rank=rank, num_ranks=num_ranks)


def test_rows_come_in_stored_order_with_their_place_in_the_table(folder: Path) -> None:
    found = feed.read_ratings((str(folder),), ROWS, shard(), CPU, SETTINGS)
    assert len(found) == 110
    # bucket 0 has table rows 0 and 1, bucket 1 2 and 3, bucket 2 4 and 5
    assert found.user_rows.tolist() == [0, 1] * 35 + [4, 5] * 20
    assert found.movie_index.tolist() == [i % 9 for i in range(70)] + [i % 9 for i in range(40)]
    assert found.ratings.tolist() == [i / 2 for i in range(70)] + [i / 2 for i in range(40)]
    assert found.user_rows.dtype == found.movie_index.dtype == torch.int32
    users, movies, ratings = found.take(torch.tensor([71, 3], dtype=torch.int32))
    assert (users.tolist(), movies.tolist(), ratings.tolist()) == ([5, 1], [1, 3], [0.5, 1.5])


def test_a_rank_reads_its_own_buckets(folder: Path) -> None:
    assert len(feed.read_ratings((str(folder),), ROWS, shard(1, 2), CPU, SETTINGS)) == 0
    second = feed.read_ratings((str(folder),), ROWS, shard(2, 4), CPU, SETTINGS)
    assert second.user_rows.tolist() == [0, 1] * 20


def test_a_short_read_is_repeated_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, attempts = feed._read_batches, []

    def flaky(reader: Reader, path: str) -> Iterator[Columns]:
        attempts.append(path)
        yield from () if len(attempts) == 1 else whole(reader, path)

    monkeypatch.setattr(feed, "_read_batches", flaky)
    found = feed.read_ratings((str(folder),), ROWS, shard(), CPU, SETTINGS)
    assert found.user_rows.tolist() == [0, 1] * 35 + [4, 5] * 20
    assert len(attempts) == 3


@pytest.mark.parametrize("expected", [71, 69])
def test_missing_or_surplus_rows_end_the_run(folder: Path, expected: int) -> None:
    with pytest.raises(
        TrainingError, match=rf"bucket=0: found 70 rows in 2 attempts, expected {expected}"
    ):
        feed.read_ratings((str(folder),), {**ROWS, 0: expected}, shard(), CPU, SETTINGS)


def test_missing_bucket_is_a_short_read(folder: Path) -> None:
    with pytest.raises(TrainingError, match=r"bucket=1: found 0 rows"):
        feed.read_ratings((str(folder),), {**ROWS, 1: 5}, shard(), CPU, SETTINGS)


def test_readers_are_closed_and_quiet(folder: Path) -> None:
    before = threading.active_count()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        feed.read_ratings((str(folder),), ROWS, shard(), CPU, SETTINGS)
        batches = feed._read_batches(load_reader("petastorm"), [str(folder / "bucket=0")])
        next(batches)
        batches.close()
    assert threading.active_count() == before


def test_damaged_file_is_an_error_not_a_hang(folder: Path) -> None:
    file = folder / "bucket=2" / "part-0.parquet"
    file.write_bytes(file.read_bytes()[:-20])
    before = threading.active_count()
    with pytest.raises(Exception, match="Parquet"):
        feed.read_ratings((str(folder),), ROWS, shard(), CPU, SETTINGS)
    assert threading.active_count() == before


def test_remote_files_are_read_through_a_local_copy(folder: Path) -> None:
    memory = fsspec.filesystem("memory")
    memory.put(str(folder), "/run/train", recursive=True)
    try:
        found = feed.read_ratings(("memory://run/train",), ROWS, shard(), CPU, SETTINGS)
    finally:
        memory.rm("/run", recursive=True)
    assert found.user_rows.tolist() == [0, 1] * 35 + [4, 5] * 20
