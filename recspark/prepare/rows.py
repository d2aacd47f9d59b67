"""Reading stored ratings in blocks of NumPy columns, inside a task."""

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
from recspark.contract import columns as c
from recspark.files import parquet, storage

# Ratings that one task holds at a time (rows): about 200 MB with everything derived from them.
TASK_ROWS = 4_000_000


@dataclass(frozen=True)
class RowGroup:
    """One row group of one Parquet file of `ratings`."""

    path: str
    number: int
    num_rows: int


@dataclass(frozen=True)
class Ratings:
    """A block of ratings: four arrays of one length.

    Attributes:
        users: Raw user ids, int32.
        movies: Raw movie ids, int32.
        ratings: float32.
        days: Days since 1970-01-01, int32.
    """

    users: npt.NDArray[np.int32]
    movies: npt.NDArray[np.int32]
    ratings: npt.NDArray[np.float32]
    days: npt.NDArray[np.int32]

    def where(self, mask: npt.NDArray[np.bool_]) -> Ratings:
        """Return the rows that the mask picks."""
        if mask.all():
            return self
        return Ratings(self.users[mask], self.movies[mask], self.ratings[mask], self.days[mask])


@dataclass(frozen=True)
class RatingFilter:
    """Which ratings stay: those whose user and movie are known and whose user is sampled.

    Attributes:
        users: Users that stay; None for all.
        movies: Movies that stay; None for all.
        user_fraction: Share of the users to keep (above 0, up to 1), by a hash of id and seed.
        seed: Seed of that hash.
    """

    users: Lookup | None = None
    movies: Lookup | None = None
    user_fraction: float = 1.0
    seed: int = 0

    def mask(self, block: Ratings) -> npt.NDArray[np.bool_]:
        """Return which rows of the block stay."""
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
    """Return the row groups of a `ratings` data set, packed into blocks for one task each."""
    groups = []
    for file in parquet.parquet_files(path):
        fs, stripped = storage.filesystem(file)
        with fs.open(stripped, "rb") as opened:
            metadata = pq.ParquetFile(opened).metadata
        for number in range(metadata.num_row_groups):
            groups.append(RowGroup(file, number, metadata.row_group(number).num_rows))
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
