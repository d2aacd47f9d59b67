from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from recspark.arrays.ids import TextIds, to_list
from recspark.arrays.ratings import NO_TIME, Ratings
from recspark.cluster.tasks import commit_parts, spread
from recspark.ingest.ratings_file import write_ratings
from recspark.prepare import settle_ratings as module
from recspark.prepare.repeats import Policy, settle
from recspark.prepare.rows import plan_blocks, read_block
from tests.prepare.blocks import block_of, rows_of

Row = tuple[int, int, float, int]
ROWS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.integers(0, 2),
        st.sampled_from([1.0, 2.0, 4.0]),
        st.sampled_from([NO_TIME, -5, 0, 7]),
    ),
    min_size=1,
    max_size=25,
)
POLICIES: list[Policy] = ["last", "first", "mean", "sum", "max"]


def obvious(rows: list[Row], policy: str) -> dict[tuple[int, int], tuple[float, int]]:
    """Settle row by row, as a person would."""
    groups: dict[tuple[int, int], list[tuple[float, int]]] = {}
    for user, movie, rating, time in rows:
        groups.setdefault((user, movie), []).append((rating, time))
    settled = {}
    for pair, found in groups.items():
        last = found[0]
        first = found[0]
        for one in found[1:]:
            if one[1] >= last[1]:
                last = one
            if one[1] != NO_TIME and (first[1] == NO_TIME or one[1] < first[1]):
                first = one
        ratings = [rating for rating, _ in found]
        combined = {"mean": np.mean, "sum": np.sum, "max": np.max}
        if policy == "first":
            settled[pair] = first
        elif policy == "last":
            settled[pair] = last
        else:
            settled[pair] = (float(combined[policy](ratings)), last[1])
    return settled


@pytest.mark.parametrize("policy", POLICIES)
@given(rows=ROWS)
def test_one_rating_of_each_pair_is_left(rows: list[Row], policy: Policy) -> None:
    users, movies, ratings, times = zip(*rows, strict=True)
    block = dataclasses.replace(
        rows_of(block_of(list(zip(users, movies, strict=True)))),
        ratings=np.array(ratings, np.float32),
        times=np.array(times, np.int32),
    )
    settled = settle(block, policy)
    kept = settled.rows
    found = {
        (user, movie): (rating, time)
        for user, movie, rating, time in zip(
            kept.users.tolist(),
            kept.movies.tolist(),
            kept.ratings.tolist(),
            kept.times.tolist(),
            strict=True,
        )
    }
    wanted = obvious(rows, policy)
    assert len(kept) == len(found)
    assert {p: (pytest.approx(r), t) for p, (r, t) in found.items()} == wanted
    assert settled.num_dropped == len(rows) - len(wanted)
    # The rows stay in the order of the source.
    assert settled.kept.tolist() == sorted(set(settled.kept.tolist()))
    assert kept.users.tolist() == block.users[settled.kept].tolist()


@pytest.mark.parametrize("is_text", [False, True])
def test_stored_ratings_are_settled_across_files(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_text: bool
) -> None:
    monkeypatch.setattr(module, "TASK_ROWS", 3)
    rows = [("a", 1, 1.0, 5), ("b", 1, 2.0, 5), ("a", 2, 3.0, NO_TIME), ("a", 1, 4.0, 5)]
    parts = []
    for number, (user, movie, rating, time) in enumerate(rows):
        ids = TextIds.of([user]) if is_text else np.array([ord(user)])
        block = Ratings(
            ids, np.array([movie]), np.array([rating], np.float32), np.array([time], np.int32)
        )
        parts.append(write_ratings(block, str(tmp_path / "ratings"), f"part-{number}.parquet"))
    commit_parts(parts, str(tmp_path / "ratings"))
    plan = [[group] for groups in plan_blocks(str(tmp_path / "ratings")) for group in groups]
    root = str(tmp_path / "settled")
    dropped = module.settle_ratings(
        spark, spread(spark, plan, 4), "sum", num_rows=len(rows), root=root
    )
    found = read_block([group for groups in plan_blocks(root) for group in groups])
    users = to_list(found.users) if is_text else [chr(x) for x in to_list(found.users)]
    assert dropped == 1
    assert sorted(zip(users, found.movies, found.ratings, found.times, strict=True)) == [
        ("a", 1, 5.0, 5),
        ("a", 2, 3.0, NO_TIME),
        ("b", 1, 2.0, 5),
    ]
