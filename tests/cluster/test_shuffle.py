from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from recspark.cluster.arrow_blocks import Block
from recspark.cluster.shuffle import SHUFFLE_FOLDER, _group_in_spark, group, remove_blocks, shuffle
from recspark.cluster.tasks import spread
from recspark.errors import DataError

NUM_KEYS = 6
# Several blocks of a key in one partition, keys in no order, and none of key 5.
PAIRS = [((key * 3) % 5, [key, key + 100]) for key in range(20)]


def _blocks(pairs: Iterator[tuple[int, list[int]]]) -> Iterator[Block]:
    for key, values in pairs:
        yield key, pa.RecordBatch.from_pydict({"value": pa.array(values, pa.int64())})


def _values(received: tuple[int, Iterator[pa.RecordBatch]]) -> tuple[int, list[int]]:
    key, batches = received
    return key, [value for batch in batches for value in batch.column(0).to_pylist()]


WANTED = [
    (key, [value for other, values in PAIRS if other == key for value in values])
    for key in range(NUM_KEYS)
]


def test_each_key_gets_its_rows_in_the_order_of_the_partitions(
    spark: SparkSession, tmp_path: Path
) -> None:
    rows = spread(spark, PAIRS, 3).mapPartitions(_blocks)
    found = shuffle(spark, rows, NUM_KEYS, lambda key, rows: _values((key, rows)), str(tmp_path))
    assert found == WANTED
    assert not (tmp_path / SHUFFLE_FOLDER).exists()


def test_both_carriers_bring_the_same_rows(spark: SparkSession, tmp_path: Path) -> None:
    rows = spread(spark, PAIRS, 3).mapPartitions(_blocks)
    by_files = group(spark, rows, NUM_KEYS, str(tmp_path)).map(_values).collect()
    remove_blocks(str(tmp_path))
    by_spark = _group_in_spark(rows, NUM_KEYS).map(_values).collect()
    assert by_files == by_spark == WANTED


def test_files_of_attempts_that_failed_are_not_read(spark: SparkSession, tmp_path: Path) -> None:
    root, mark = str(tmp_path / "set"), str(tmp_path / "failed")

    def fail_once(pairs: Iterator[tuple[int, list[int]]]) -> Iterator[Block]:
        yield from _blocks(pairs)
        if not os.path.exists(mark):  # noqa: PTH110
            Path(mark).touch()
            raise OSError("this attempt fails after its blocks were written")

    # Local mode tries once. pyspark 3.5 raises Py4JJavaError, pyspark 4 PythonException.
    with pytest.raises(Exception, match="this attempt fails"):
        group(spark, spread(spark, PAIRS, 1).mapPartitions(fail_once), NUM_KEYS, root)
    grouped = group(spark, spread(spark, PAIRS, 1).mapPartitions(fail_once), NUM_KEYS, root)
    assert len(list(Path(root, SHUFFLE_FOLDER).iterdir())) == 2
    assert grouped.map(_values).collect() == WANTED


@pytest.mark.parametrize("cut", [1, 9, 600])
def test_file_that_is_cut_off_is_named(spark: SparkSession, tmp_path: Path, cut: int) -> None:
    grouped = group(spark, spread(spark, PAIRS, 1).mapPartitions(_blocks), NUM_KEYS, str(tmp_path))
    [file] = (tmp_path / SHUFFLE_FOLDER).iterdir()
    content = file.read_bytes()
    file.write_bytes(content[-cut:] if cut == 600 else content[:cut])
    with pytest.raises(Exception, match=f"{DataError.__name__}.*damaged file of blocks"):
        grouped.map(_values).collect()
