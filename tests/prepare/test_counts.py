from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recspark.arrays.lookup import Lookup
from recspark.prepare import counts as module
from recspark.prepare.counts import EMPTY, RatingCounts, count_block, merge
from recspark.prepare.rows import RatingFilter
from tests.prepare.blocks import block_of, grid

PAIRS = st.lists(
    st.tuples(st.integers(1, 12), st.sampled_from([1, 2, 70_000_000])), min_size=1, max_size=40
)


def as_dict(ids: np.ndarray, counts: np.ndarray) -> dict[int, int]:
    return dict(zip(ids.tolist(), counts.tolist(), strict=True))


@given(first=PAIRS, second=PAIRS)
def test_counts_of_two_blocks_add_up(
    first: list[tuple[int, int]], second: list[tuple[int, int]]
) -> None:
    both = merge(
        count_block(block_of(first), RatingFilter()), count_block(block_of(second), RatingFilter())
    )
    everything = first + second
    assert as_dict(both.users, both.user_counts) == Counter(user for user, _ in everything)
    assert as_dict(both.movies, both.movie_counts) == Counter(movie for _, movie in everything)
    assert as_dict(both.days, both.day_counts) == {10: len(everything)}
    assert both.num_ratings == both.num_read == len(everything)


def test_empty_changes_nothing() -> None:
    one: RatingCounts = count_block(block_of([(1, 2), (1, 3)]), RatingFilter())
    for merged in (merge(one, EMPTY), merge(EMPTY, one)):
        assert as_dict(merged.users, merged.user_counts) == {1: 2}
        assert merged.num_ratings == 2
    assert module.EMPTY.num_ratings == 0


def test_only_ratings_that_pass_the_filter_are_counted() -> None:
    rating_filter = RatingFilter(
        users=Lookup.of(np.array([3, 5], dtype=np.int32)),
        movies=Lookup.of(np.array([0, 1, 2], dtype=np.int32)),
    )
    kept = count_block(grid(10, 10), rating_filter)
    assert as_dict(kept.users, kept.user_counts) == {3: 3, 5: 3}
    assert as_dict(kept.movies, kept.movie_counts) == {0: 2, 1: 2, 2: 2}
    assert (kept.num_ratings, kept.num_read) == (6, 100)


def test_sampled_users_stay_with_all_their_ratings() -> None:
    kept = count_block(grid(2000, 5), RatingFilter(user_fraction=0.3, seed=4))
    assert set(kept.user_counts.tolist()) == {5}
    assert 520 < len(kept.users) < 680
