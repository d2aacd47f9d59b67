"""Reads stored ratings in blocks of NumPy columns, inside a task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from recspark.arrays.hashing import uniform
from recspark.arrays.lookup import Lookup
from recspark.arrays.packing import pack
from recspark.arrays.ratings import Ratings
from recspark.contract import columns as c
from recspark.files import parquet, storage
from recspark.files.parquet import RowGroup

# Ratings that one task holds at a time (rows): about 200 MB, including all that is derived.
TASK_ROWS = 4_000_000


@dataclass(frozen=True)
class RatingFilter:
    """Which ratings to keep: those of given movies by given users who are in the sample.

    Attributes:
        users: Users to keep; None for all.
        movies: Movies to keep; None for all.
        user_fraction: Share of the users to keep (above 0, up to 1), by a hash of id and seed.
        seed: Seed of that hash.
    """

    users: Lookup | None = None
    movies: Lookup | None = None
    user_fraction: float = 1.0
    seed: int = 0

    def mask(self, block: Ratings) -> npt.NDArray[np.bool_]:
        """Return which rows of the block to keep."""
        mask = np.ones(len(block.users), dtype=bool)
        if self.user_fraction < 1:
            draw = uniform(self.seed, "sample", block.users, np.zeros_like(block.users))
            mask &= draw < self.user_fraction
        if self.users is not None:
            mask &= self.users.find(block.users) >= 0
        if self.movies is not None:
            mask &= self.movies.find(block.movies) >= 0
        return mask


def plan_blocks(path: str) -> list[list[RowGroup]]:
    """Return the row groups of a `ratings` data set, packed into one block per task."""
    groups = [
        group for file in parquet.parquet_files(path) for group in parquet.list_row_groups(file)
    ]
    return [[groups[i] for i in run] for run in pack([g.num_rows for g in groups], TASK_ROWS)]


def read_block(groups: Sequence[RowGroup]) -> Ratings:
    """Return the ratings of some row groups as one block."""
    table = pa.concat_tables(list(_read(groups))).combine_chunks()
    return Ratings(
        users=table.column(c.USER_ID).to_numpy(),
        movies=table.column(c.MOVIE_ID).to_numpy(),
        ratings=table.column(c.RATING).to_numpy(),
        days=table.column(c.RATED_ON).cast(pa.int32()).to_numpy(),
    )


def _read(groups: Sequence[RowGroup]) -> Iterator[pa.Table]:
    wanted = [c.USER_ID, c.MOVIE_ID, c.RATING, c.RATED_ON]
    for group in groups:
        fs, stripped = storage.filesystem(group.path)
        with fs.open(stripped, "rb") as file:
            yield pq.ParquetFile(file).read_row_group(group.number, wanted, use_threads=False)
