from __future__ import annotations

from pathlib import Path

import numpy as np

from recspark.datasets.histories import Histories, read_histories
from recspark.datasets.signal import Signal
from tests.training.jobs import write_bucket

# Three users: movies 4 and 1; none; movies 3, 0 and 2.
HISTORIES = Histories.group(
    np.array([2, 0, 2, 0, 2]),
    np.array([3, 4, 0, 1, 2], np.int32),
    np.array([1, 2, 3, 4, 5], np.float32),
    3,
)


def as_lists(found: Histories) -> list[list[tuple[int, float]]]:
    pairs = list(zip(found.movies.tolist(), found.ratings.tolist(), strict=True))
    ends = found.starts.tolist()
    return [pairs[ends[user] : ends[user + 1]] for user in range(found.num_users)]


def test_ratings_in_any_order_become_ascending_histories() -> None:
    assert as_lists(HISTORIES) == [[(1, 4), (4, 2)], [], [(0, 3), (2, 5), (3, 1)]]


def test_some_users_are_taken_in_the_given_order_and_repeatedly() -> None:
    found = HISTORIES.take(np.array([2, 1, 2]))
    last = [(0, 3), (2, 5), (3, 1)]
    assert as_lists(found) == [last, [], last]
    assert as_lists(HISTORIES.take(np.zeros(0, np.int64))) == []


def test_weights_take_the_place_of_ratings_and_those_of_zero_are_left_out() -> None:
    likes = Signal((1.0,), (1.0,), lowest=3)
    assert as_lists(HISTORIES.weigh(likes)) == [[(1, 1)], [], [(0, 1), (2, 1)]]
    half = Signal((0.0, 10.0), (0.0, 5.0))
    assert as_lists(HISTORIES.weigh(half))[0] == [(1, 2), (4, 1)]


def test_a_bucket_has_a_row_for_each_of_its_users_and_merges_data_sets(tmp_path: Path) -> None:
    """Users 1, 3, 5 and 7 are the second bucket of two among eight."""
    train, valid = tmp_path / "train", tmp_path / "valid"
    write_bucket(train, 1, np.array([5, 1]), np.array([2, 9]), np.array([4.0, 3.0]))
    write_bucket(valid, 1, np.array([1, 7]), np.array([0, 6]), np.array([1.0, 5.0]))
    found = read_histories([str(train), str(valid)], 1, num_users=8, num_buckets=2)
    assert as_lists(found) == [[(0, 1), (9, 3)], [], [(2, 4)], [(6, 5)]]
    alone = read_histories([str(train)], 1, num_users=8, num_buckets=2)
    assert as_lists(alone) == [[(9, 3)], [], [(2, 4)], []]
    assert as_lists(read_histories([str(train)], 0, num_users=8, num_buckets=2)) == [[]] * 4
