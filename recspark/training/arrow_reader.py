"""Stored ratings through pyarrow alone; same rows as `petastorm_reader`, without petastorm."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from recspark.files.parquet import RowGroup
from recspark.training.stored import STORED_COLUMNS, Columns


def read_file(path: str) -> Iterator[Columns]:
    """Yield the rows of each row group of a local Parquet file, in stored order."""
    with pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            yield _columns(file.read_row_group(number, STORED_COLUMNS))


def read_row_group(group: RowGroup) -> Columns:
    """Return the rows of one row group."""
    with pq.ParquetFile(group.path) as file:
        return _columns(file.read_row_group(group.number, STORED_COLUMNS))


def _columns(table: pa.Table) -> Columns:
    users, movies, ratings = (table[name].to_numpy() for name in STORED_COLUMNS)
    return users, movies, ratings
