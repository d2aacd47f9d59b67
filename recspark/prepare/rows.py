"""Reads stored ratings in blocks of columns, inside a task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recspark.arrays.hashing import uniform
from recspark.arrays.ids import from_arrow, id_keys
from recspark.arrays.lookup import Lookup
from recspark.arrays.packing import pack
from recspark.arrays.ratings import NO_TIME, Ratings
from recspark.contract import columns as c
from recspark.files import parquet, storage
from recspark.files.parquet import RowGroup

# Ratings that one task holds at a time (rows): about 200 MB, including all that is derived.
TASK_ROWS = 4_000_000
_MICROSECONDS = 1_000_000


@dataclass(frozen=True)
class RatingFilter:
    """Which ratings to keep: those of given movies by given users who are in the sample.

    Attributes:
        users: Users to keep; None for all.
        movies: Movies to keep; None for all.
        user_fraction: Share of the users to keep (above 0, up to 1), by a hash of id and seed.
        seed: Seed of that hash.
        lowest: Ratings below it are left out.
    """

    users: Lookup | None = None
    movies: Lookup | None = None
    user_fraction: float = 1.0
    seed: int = 0
    lowest: float = -np.inf

    def mask(self, block: Ratings) -> npt.NDArray[np.bool_]:
        """Return which rows of the block to keep."""
        mask = block.ratings >= np.float32(self.lowest)
        if self.user_fraction < 1:
            keys = id_keys(block.users)
            mask &= uniform(self.seed, "sample", keys, np.zeros_like(keys)) < self.user_fraction
        if self.users is not None:
            mask &= self.users.find(block.users) >= 0
        if self.movies is not None:
            mask &= self.movies.find(block.movies) >= 0
        return mask


def plan_blocks(path: str) -> list[list[RowGroup]]:
    """Return the row groups of a data set of ratings, packed into one block per task."""
    groups = [
        group for file in parquet.parquet_files(path) for group in parquet.list_row_groups(file)
    ]
    return [[groups[i] for i in run] for run in pack([g.num_rows for g in groups], TASK_ROWS)]


def read_block(groups: Sequence[RowGroup]) -> Ratings:
    """Return the ratings of some row groups as one block."""
    table = pa.concat_tables(list(_read(groups)))
    return Ratings(
        users=from_arrow(table.column(c.USER_ID)),
        movies=from_arrow(table.column(c.MOVIE_ID)),
        ratings=table.column(c.RATING).to_numpy(),
        times=_seconds(table.column(c.RATED_AT)),
    )


def _seconds(column: pa.ChunkedArray) -> npt.NDArray[np.int32]:
    numbers = column.cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    if numbers.null_count:
        numbers = pc.fill_null(numbers, NO_TIME * _MICROSECONDS)
    return (numbers.to_numpy() // _MICROSECONDS).astype(np.int32)


def _read(groups: Sequence[RowGroup]) -> Iterator[pa.Table]:
    wanted = [c.USER_ID, c.MOVIE_ID, c.RATING, c.RATED_AT]
    for group in groups:
        fs, stripped = storage.filesystem(group.path)
        with fs.open(stripped, "rb") as file:
            # Text ids are read as codes of their distinct values, as they are stored.
            opened = pq.ParquetFile(file, read_dictionary=[c.USER_ID, c.MOVIE_ID])
            yield opened.read_row_group(group.number, wanted, use_threads=False)
