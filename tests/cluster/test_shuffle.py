from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from recspark.cluster.shuffle import SHUFFLE_FOLDER, read_blocks, shuffle, write_blocks
from recspark.cluster.tasks import spread
from recspark.errors import DataError

PAIRS = [(key % 5, bytes([key]) * (key + 1)) for key in range(20)]


def test_each_key_gets_its_blocks_in_the_order_of_the_partitions(
    spark: SparkSession, tmp_path: Path
) -> None:
    rows = spread(spark, PAIRS, 3)
    found = shuffle(spark, rows, 6, lambda key, blocks: (key, list(blocks)), str(tmp_path))
    wanted = [(key, [block for other, block in PAIRS if other == key]) for key in range(6)]
    assert found == wanted
    assert not (tmp_path / SHUFFLE_FOLDER).exists()


def test_files_of_attempts_that_failed_are_not_read(spark: SparkSession, tmp_path: Path) -> None:
    root, mark = str(tmp_path / "set"), str(tmp_path / "failed")

    def fail_once(pairs: Iterator[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
        yield from pairs
        if not os.path.exists(mark):  # noqa: PTH110
            Path(mark).touch()
            raise OSError("this attempt fails after its blocks were written")

    # Local mode tries once. pyspark 3.5 raises Py4JJavaError, pyspark 4 PythonException.
    with pytest.raises(Exception, match="this attempt fails"):
        write_blocks(spread(spark, PAIRS, 1).mapPartitions(fail_once), root)
    files = write_blocks(spread(spark, PAIRS, 1).mapPartitions(fail_once), root)
    assert len(list(Path(root, SHUFFLE_FOLDER).iterdir())) == 2
    assert len(files) == 1
    assert list(read_blocks(files, 2)) == [block for key, block in PAIRS if key == 2]


@pytest.mark.parametrize("cut", [1, 9, 60])
def test_file_that_is_cut_off_is_named(spark: SparkSession, tmp_path: Path, cut: int) -> None:
    (file,) = write_blocks(spread(spark, PAIRS, 1), str(tmp_path))
    content = Path(file).read_bytes()
    Path(file).write_bytes(content[-cut:] if cut == 60 else content[:cut])
    with pytest.raises(DataError, match="blocks: found"):
        list(read_blocks([file], 0))
