"""Both readers of stored ratings under one contract, and petastorm on files of all types."""

from __future__ import annotations

import datetime
import decimal
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

import recspark
from recspark.arrays.compiled import Threads
from recspark.arrays.user_buckets import Shard
from recspark.config import TrainConfig
from recspark.errors import EnvironmentProblem
from recspark.files.parquet import RowGroup
from recspark.training.feed import open_batches
from recspark.training.petastorm_reader import make_batch_reader
from recspark.training.plan import StepPlan
from recspark.training.readers import load_reader
from recspark.training.stored import STORED_COLUMNS, Columns
from tests.training.jobs import write_bucket

ROOT = Path(recspark.__file__).parent.parent
READERS = ("petastorm", "arrow")
NUM_ROWS, GROUP_ROWS = 100, 30
CPU = torch.device("cpu")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Ratings and text columns in four row groups; the path has a space and a percent sign."""
    path = tmp_path / "100% odd" / "part-0.parquet"
    path.parent.mkdir()
    rows = np.arange(NUM_ROWS)
    table = pa.table(
        {
            "title": [f"film {row}" for row in rows],
            "rating": pa.array(rows / 2, pa.float32()),
            "movie_index": pa.array(rows % 7, pa.int32()),
            "user_index": pa.array(rows * 3, pa.int32()),
            "note": pa.array([None if row % 2 else "é" for row in rows]),
        }
    )
    pq.write_table(table, path, row_group_size=GROUP_ROWS)
    return path


def assert_rows(columns: Columns, rows: np.ndarray) -> None:
    users, movies, ratings = columns
    assert (users.dtype, movies.dtype, ratings.dtype) == (np.int32, np.int32, np.float32)
    np.testing.assert_array_equal(users, rows * 3)
    np.testing.assert_array_equal(movies, rows % 7)
    np.testing.assert_array_equal(ratings, rows / 2)


@pytest.mark.parametrize("name", READERS)
def test_a_file_is_read_by_row_group_in_stored_order(file: Path, name: str) -> None:
    pieces = list(load_reader(name).read_file(str(file)))  # type: ignore[arg-type]
    assert [len(users) for users, _, _ in pieces] == [30, 30, 30, 10]
    for number, piece in enumerate(pieces):
        assert_rows(piece, np.arange(number * GROUP_ROWS, number * GROUP_ROWS + len(piece[0])))


@pytest.mark.parametrize("name", READERS)
def test_a_row_group_is_read_by_its_number(file: Path, name: str) -> None:
    reader = load_reader(name)  # type: ignore[arg-type]
    for number, rows in ((2, range(60, 90)), (0, range(30)), (3, range(90, 100))):
        columns = reader.read_row_group(RowGroup(str(file), number, 4, len(rows)))
        assert columns is not None
        assert_rows(columns, np.array(rows))


@pytest.mark.parametrize("feed", ["resident", "streaming"])
def test_both_readers_give_the_same_epochs(tmp_path: Path, feed: str) -> None:
    rows = {0: 205, 1: 90, 2: 61}
    for bucket, count in rows.items():
        markers = np.arange(count) + 1000 * bucket
        write_bucket(tmp_path, bucket, markers % 5 * 3 + bucket, markers, markers / 2)
    shard = Shard(num_users=15, num_buckets=3, rank=0, num_ranks=1)

    def epoch(reader: str) -> list[list[list[float]]]:
        settings = TrainConfig(feed=feed, feed_memory_mib=1, reader=reader)  # type: ignore[arg-type]
        plan = StepPlan(rows, 70, seed=3)
        batches = open_batches((str(tmp_path),), rows, shard, plan, CPU, settings, Threads(1))
        steps = [[column.tolist() for column in batch] for batch in batches.epoch_steps(1)]
        batches.close()
        return steps

    steps = epoch("petastorm")
    assert sum(len(users) for users, _, _ in steps) == 356
    assert epoch("arrow") == steps


@pytest.mark.parametrize("name", READERS)
def test_500_opens_read_every_row_and_leave_nothing_open(file: Path, name: str) -> None:
    reader, process = load_reader(name), psutil.Process()  # type: ignore[arg-type]
    list(reader.read_file(str(file)))
    before = threading.active_count(), process.num_fds()
    for number in range(250):
        assert sum(len(users) for users, _, _ in reader.read_file(str(file))) == NUM_ROWS
        columns = reader.read_row_group(RowGroup(str(file), number % 3, 4, GROUP_ROWS))
        assert columns is not None
        assert len(columns[0]) == GROUP_ROWS
    assert (threading.active_count(), process.num_fds()) == before


def test_petastorm_gives_every_type_as_pyarrow_does(tmp_path: Path) -> None:
    day = datetime.date(2005, 12, 31)
    columns = {
        "int8": pa.array([1, -1], pa.int8()),
        "uint8": pa.array([1, 255], pa.uint8()),
        "int16": pa.array([1, -1], pa.int16()),
        "int32": pa.array([1, -1], pa.int32()),
        "int64": pa.array([1, 2**60], pa.int64()),
        "float32": pa.array([0.5, -1], pa.float32()),
        "float64": pa.array([0.1, -1], pa.float64()),
        "bool": pa.array([True, False]),
        "text": pa.array(["plain", "é=%3D"]),
        "binary": pa.array([b"a", b"\x00b"]),
        "decimal": pa.array([decimal.Decimal("1.50"), decimal.Decimal("2.25")]),
        "date": pa.array([day, day]),
        "timestamp": pa.array([datetime.datetime(2005, 12, 31, 1, 2, 3)] * 2, pa.timestamp("us")),
        "list": pa.array([[1, 2], [3, 4]], pa.list_(pa.int32())),
    }
    path = tmp_path / "types.parquet"
    pq.write_table(pa.table(columns), path)
    with make_batch_reader(f"file://{path}", workers_count=1) as reader:
        (batch,) = list(reader)
    assert set(batch._fields) == set(columns)
    for name in ("int8", "uint8", "int16", "int32", "int64", "float32", "float64", "bool"):
        assert getattr(batch, name).dtype == np.dtype(name)
        assert getattr(batch, name).tolist() == columns[name].to_pylist()
    assert batch.text.dtype.kind == "U"
    for name in ("text", "binary", "decimal", "list"):
        assert getattr(batch, name).tolist() == columns[name].to_pylist()
    for name in ("date", "timestamp"):
        found = np.asarray(getattr(batch, name), "datetime64[s]")
        assert found.tolist() == columns[name].cast(pa.timestamp("s")).to_pylist()


def test_petastorm_reads_a_list_of_files_and_refuses_a_folder(file: Path) -> None:
    with make_batch_reader([f"file://{file}"] * 2, schema_fields=list(STORED_COLUMNS)) as reader:
        assert sum(len(batch.rating) for batch in reader) == 2 * NUM_ROWS
    with pytest.raises(OSError, match="directory"):
        make_batch_reader(f"file://{file.parent}")


def run_python(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_import_leaves_pyarrow_numpy_and_the_modules_as_they_were() -> None:
    code = """
import sys, numpy, pyarrow, pyarrow.parquet
modules = (numpy, pyarrow, pyarrow.parquet)
before = [dict(vars(module)) for module in modules]
import recspark.training.petastorm_reader
for module, old in zip(modules, before):
    assert all(vars(module)[name] is value for name, value in old.items()), module
    # Packages may import further modules later; none of the old names may come back.
    assert not {"unicode_", "string_", "ParquetDatasetPiece"} & (set(vars(module)) - set(old))
made_up = [name for name in sys.modules if getattr(sys.modules[name], "__spec__", 1) is None]
print([name for name in made_up if name.startswith(("pyarrow", "distutils"))])
print("pyspark" in sys.modules)
"""
    done = run_python(code)
    assert done.stdout.split() == ["[]", "False"], done.stderr


def test_missing_petastorm_names_both_remedies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "recspark.training.petastorm_reader")
    monkeypatch.delattr("recspark.training.petastorm_reader")
    monkeypatch.setitem(sys.modules, "petastorm", None)
    with pytest.raises(EnvironmentProblem, match=r"pip install 'petastorm==0.12.1', or set train"):
        load_reader("petastorm")
