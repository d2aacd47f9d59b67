from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recspark.arrays.user_buckets import Shard, rows_of
from recspark.errors import ConfigError


@given(st.integers(1, 200), st.integers(1, 12), st.data())
def test_every_user_has_one_row_on_one_rank(
    num_users: int, num_buckets: int, data: st.DataObject
) -> None:
    num_ranks = data.draw(st.integers(1, num_buckets))
    shards = [
        Shard(num_users=num_users, num_buckets=num_buckets, rank=rank, num_ranks=num_ranks)
        for rank in range(num_ranks)
    ]
    rows: dict[int, set[int]] = {rank: set() for rank in range(num_ranks)}
    for user in range(num_users):
        bucket = user % num_buckets
        (owner,) = [shard for shard in shards if bucket in shard.buckets]
        assert owner.rank == bucket % num_ranks
        row = owner.offsets[bucket] + user // num_buckets
        assert row not in rows[owner.rank]
        rows[owner.rank].add(row)
    for shard in shards:
        assert rows[shard.rank] == set(range(shard.num_rows))


def test_more_ranks_than_buckets_is_refused_with_the_reason_and_the_remedy() -> None:
    with pytest.raises(ConfigError, match=r"3 ranks for 2 buckets.*own buckets.*prepare\.num_bu"):
        Shard(num_users=10, num_buckets=2, rank=0, num_ranks=3)


def test_rows_of_a_rank_are_those_of_its_buckets() -> None:
    shard = Shard(num_users=10, num_buckets=5, rank=1, num_ranks=2)
    assert rows_of(shard, {0: 1, 1: 10, 2: 100, 3: 1000, 4: 10000}) == 1010
    assert rows_of(shard, {0: 1, 3: 7}) == 7
