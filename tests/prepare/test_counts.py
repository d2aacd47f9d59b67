from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from recspark.arrays.ids import TextIds, to_list
from recspark.arrays.lookup import Lookup
from recspark.arrays.ratings import NO_TIME, Ratings
from recspark.arrays.tally import add_tallies, tally
from recspark.cluster.tasks import commit_parts, spread
from recspark.ingest.ratings_file import write_ratings
from recspark.prepare import counts as module
from recspark.prepare.counts import NO_DAY, count_ratings, count_seconds
from recspark.prepare.rows import RatingFilter, plan_blocks
from tests.prepare.blocks import block_of, grid

WHOLE = st.lists(st.sampled_from([-5, 0, 1, 2, 70_000_000, 2**62]), min_size=1, max_size=40)
TEXT = st.lists(st.sampled_from(["", "a", "b", "10", "9"]), min_size=1, max_size=40)


@given(first=WHOLE, second=WHOLE)
def test_counts_of_numbers_add_up(first: list[int], second: list[int]) -> None:
    ids, counts = add_tallies([tally(np.array(one, np.int64)) for one in (first, second)])
    assert dict(zip(to_list(ids), counts.tolist(), strict=True)) == Counter(first + second)


@given(first=TEXT, second=TEXT)
def test_counts_of_texts_add_up(first: list[str], second: list[str]) -> None:
    ids, counts = add_tallies([tally(TextIds.of(one)) for one in (first, second)])
    assert dict(zip(to_list(ids), counts.tolist(), strict=True)) == Counter(first + second)


def write(blocks: list[Ratings], root: Path) -> str:
    parts = [write_ratings(one, str(root), f"part-{n}.parquet") for n, one in enumerate(blocks)]
    commit_parts(parts, str(root))
    return str(root)


@pytest.mark.parametrize("reducer_rows", [1_000_000, 10])
def test_counts_of_stored_ratings(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reducer_rows: int
) -> None:
    monkeypatch.setattr(module, "_REDUCER_ROWS", reducer_rows)
    users = TextIds.of(["x", "y", "x", "ä", "x"])
    times = np.array([86_400, 86_399, NO_TIME, -1, 2 * 86_400], np.int32)
    first = Ratings(users, np.array([1, 1, 2, 2**40, 1]), np.ones(5, np.float32), times)
    second = Ratings(
        TextIds.of(["z", "x"]), np.array([-3, 1]), np.ones(2, np.float32), np.zeros(2, np.int32)
    )
    # On day d of 3 … 22, there are d ratings.
    many = np.repeat(np.arange(3, 23), np.arange(3, 23)).astype(np.int32)
    third = Ratings(
        TextIds.of(["m"] * len(many)),
        np.full(len(many), 9),
        np.ones(len(many), np.float32),
        many * np.int32(86_400),
    )
    plan = plan_blocks(write([first, second, third], tmp_path / "ratings"))
    blocks = spread(spark, [[group] for groups in plan for group in groups], 2)
    found = count_ratings(
        spark, blocks, RatingFilter(), num_rows=40, root=str(tmp_path / "scratch")
    )
    assert dict(zip(to_list(found.users), found.user_counts.tolist(), strict=True)) == {
        "m": len(many),
        "x": 4,
        "y": 1,
        "z": 1,
        "ä": 1,
    }
    assert dict(zip(to_list(found.movies), found.movie_counts.tolist(), strict=True)) == {
        1: 4,
        2: 1,
        9: len(many),
        -3: 1,
        2**40: 1,
    }
    days = dict(zip(found.days.tolist(), found.day_counts.tolist(), strict=True))
    assert days == {NO_DAY: 1, -1: 1, 0: 3, 1: 1, 2: 1, **{day: day for day in range(3, 23)}}
    assert found.days.tolist() == sorted(days)
    assert found.num_ratings == found.num_read == 7 + len(many)
    seconds, counts = count_seconds(blocks, RatingFilter(), day=0)
    assert (seconds.tolist(), counts.tolist()) == ([0, 86_399], [2, 1])


def test_only_ratings_that_pass_the_filter_are_counted(spark: SparkSession, tmp_path: Path) -> None:
    plan = plan_blocks(write([grid(10, 10)], tmp_path / "ratings"))
    rating_filter = RatingFilter(
        users=Lookup.of(np.array([3, 5])), movies=Lookup.of(np.array([0, 1, 2]))
    )
    kept = count_ratings(
        spark, spread(spark, plan, 1), rating_filter, num_rows=100, root=str(tmp_path / "scratch")
    )
    assert sorted(zip(to_list(kept.users), kept.user_counts, strict=True)) == [(3, 3), (5, 3)]
    assert (kept.num_ratings, kept.num_read) == (6, 100)


def test_sampled_users_stay_with_all_their_ratings() -> None:
    block = grid(2000, 5)
    kept, counts = tally(block.where(RatingFilter(user_fraction=0.3, seed=4).mask(block)).users)
    assert set(counts.tolist()) == {5}
    assert 520 < len(kept) < 680


def test_block_without_ratings_has_no_counts() -> None:
    none = block_of([(1, 1)]).where(np.zeros(1, bool))
    assert all(len(counts) == 0 for _, counts in module.count_block(none).values())
