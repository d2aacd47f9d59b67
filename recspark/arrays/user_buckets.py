"""The bucket of a user, the buckets of a rank, and the position of a user's row.

A user's bucket is `user_index mod num_buckets` and its row there is `user_index // num_buckets`.
Rank r of W owns the buckets b with b mod W = r. All of this is arithmetic: no lookup table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from recspark.errors import ConfigError, describe

Index = npt.NDArray[np.integer[Any]]


def locate(users: Index, num_buckets: int) -> tuple[Index, Index]:
    """Return (bucket, row within the bucket) of users by their `user_index`, each [users]."""
    return users % num_buckets, users // num_buckets


def users_of(bucket: int, num_users: int, num_buckets: int) -> range:
    """Return the `user_index` of all users of a bucket, ascending; the r-th one has row r."""
    return range(bucket, num_users, num_buckets)


@dataclass(frozen=True, kw_only=True)
class Shard:
    """The users of one rank: its buckets, one after the other."""

    num_users: int
    """Users of all ranks."""
    num_buckets: int
    rank: int
    num_ranks: int

    def __post_init__(self) -> None:
        if self.num_buckets < self.num_ranks:
            raise ConfigError(
                describe(
                    "train.num_ranks",
                    found=f"{self.num_ranks} ranks for {self.num_buckets} buckets",
                    expected="no more ranks than buckets, as a rank trains the users of its own "
                    "buckets",
                    remedy="Lower train.num_ranks, or raise prepare.num_buckets and prepare again.",
                )
            )

    @property
    def buckets(self) -> range:
        """The rank's buckets, ascending."""
        return range(self.rank, self.num_buckets, self.num_ranks)

    def bucket_users(self, bucket: int) -> int:
        """Return how many users a bucket has."""
        return len(users_of(bucket, self.num_users, self.num_buckets))

    @property
    def offsets(self) -> dict[int, int]:
        """First row of each of the rank's buckets in the rank's table."""
        offsets, total = {}, 0
        for bucket in self.buckets:
            offsets[bucket] = total
            total += self.bucket_users(bucket)
        return offsets

    @property
    def num_rows(self) -> int:
        """Rows of the rank's table."""
        return sum(self.bucket_users(bucket) for bucket in self.buckets)


def rows_of(shard: Shard, bucket_rows: Mapping[int, int]) -> int:
    """Return how many ratings the rank holds; `bucket_rows` may leave out empty buckets."""
    return sum(bucket_rows.get(bucket, 0) for bucket in shard.buckets)
