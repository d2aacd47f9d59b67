from __future__ import annotations

import contextlib
import io
import pickle
import threading
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.serializers import ChunkedStream, pickle_protocol
from pyspark.sql import SparkSession

from recspark.arrays.packing import pack
from recspark.cluster.tasks import _Pickled, broadcast, commit_parts, spread, sums_of, write_part


@given(sizes=st.lists(st.integers(0, 50)), capacity=st.integers(1, 60))
def test_packed_runs_cover_everything_in_order(sizes: list[int], capacity: int) -> None:
    runs = pack(sizes, capacity)
    assert [i for run in runs for i in run] == list(range(len(sizes)))
    for run in runs:
        assert len(run) == 1 or sum(sizes[i] for i in run) <= capacity


def test_many_small_sizes_make_few_runs() -> None:
    assert len(pack([100] * 17_770, 100_000)) == 18


def test_only_committed_attempts_show(tmp_path: Path) -> None:
    root = str(tmp_path / "set")
    table = pa.table({"x": [1, 2, 3]})
    lost = write_part(table, root, "bucket=1/part-0.parquet")  # an attempt whose task ran again
    kept = write_part(table, root, "bucket=1/part-0.parquet")
    assert not list(Path(root).rglob("bucket=*"))
    assert commit_parts([kept], root) == 3
    assert [str(path) for path in Path(root).rglob("*.parquet")] == [kept.target]
    assert not Path(lost.written).exists()
    assert pq.read_table(kept.target, partitioning=None).num_rows == 3


def test_losing_attempt_that_still_writes_stops_nothing(tmp_path: Path) -> None:
    root, table, stop = str(tmp_path / "set"), pa.table({"x": [1, 2, 3]}), threading.Event()
    num_written = 0

    def write_on() -> None:
        nonlocal num_written
        while not stop.is_set():
            attempt = Path(f"{root}.attempts", "loser")
            with contextlib.suppress(FileNotFoundError):  # it was removed meanwhile
                attempt.mkdir(parents=True, exist_ok=True)
                (attempt / f"part-{num_written}").touch()
                num_written += 1

    loser = threading.Thread(target=write_on)
    loser.start()
    try:
        parts = []
        for number in range(5):
            parts.append(write_part(table, root, f"part-{number}.parquet"))
            assert commit_parts([parts[-1]], root) == 3
    finally:
        stop.set()
        loser.join()
    assert num_written > 10
    assert sorted(str(path) for path in Path(root).iterdir()) == [part.target for part in parts]


def test_sum_of_a_part_is_that_of_the_file_on_disk(tmp_path: Path) -> None:
    table = pa.table({"x": list(range(5000)), "name": ["ä"] * 5000})
    part = write_part(table, str(tmp_path), "part-0.parquet", row_group_rows=700)
    commit_parts([part], str(tmp_path))
    content = (tmp_path / "part-0.parquet").read_bytes()
    assert sums_of([part]) == {part.target: [len(content), zlib.crc32(content)]}


def test_spread_keeps_neighbours_together(spark: SparkSession) -> None:
    assert spread(spark, list(range(6)), 3).glom().collect() == [[0, 1], [2, 3], [4, 5]]
    assert spread(spark, [1], 8).getNumPartitions() == 1


def pass_encryption(value: object, file: Path) -> object:
    """Send a value through the stream that Spark uses for encrypted broadcasts."""
    stream = ChunkedStream(file.open("wb"), 8192)
    pickle.dump(value, stream, pickle_protocol)
    stream.close()
    received, content = io.BytesIO(file.read_bytes()), b""
    while (size := int.from_bytes(received.read(4), "big", signed=True)) > 0:
        content += received.read(size)
    return pickle.loads(content)


def test_large_arrays_are_broadcast_where_spark_encrypts(
    spark: SparkSession, tmp_path: Path
) -> None:
    array = np.arange(1_000_000)
    with pytest.raises(TypeError, match="PickleBuffer"):
        pass_encryption(array, tmp_path / "sent")
    arrived = pass_encryption(_Pickled((array, "x")), tmp_path / "sent")
    assert np.array_equal(arrived[0], array)
    assert arrived[1] == "x"
    with broadcast(spark.sparkContext, (array, "x")) as shared:
        [total] = spread(spark, [1], 1).map(lambda one: int(shared.value[0].sum()) + one).collect()
    assert total == array.sum() + 1


def test_nothing_is_left_of_what_was_broadcast(spark: SparkSession) -> None:
    folder = Path(spark.sparkContext._temp_dir)
    before = set(folder.iterdir())
    with broadcast(spark.sparkContext, np.arange(1000)) as shared:
        assert len(set(folder.iterdir()) - before) == 1
        assert spread(spark, [1], 1).map(lambda one: int(shared.value[one])).collect() == [1]
    assert set(folder.iterdir()) == before
