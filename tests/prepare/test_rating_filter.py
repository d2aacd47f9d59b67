from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recspark.arrays.ratings import Ratings
from recspark.config import PrepareConfig
from recspark.errors import DataError
from recspark.prepare.counts import RatingCounts, count_block
from recspark.prepare.rating_filter import filter_ratings
from recspark.prepare.rows import RatingFilter
from tests.prepare.blocks import block_of, grid

Pairs = set[tuple[int, int]]


def count_kept(block: Ratings, rating_filter: RatingFilter) -> RatingCounts:
    found = count_block(block.where(rating_filter.mask(block)))
    return RatingCounts(*found["users"], *found["movies"], *found["days"], num_read=len(block))


def kept_pairs(pairs: Pairs, settings: PrepareConfig, seed: int = 0) -> Pairs:
    block = block_of(sorted(pairs))
    last: list[np.ndarray] = []

    def count(rating_filter) -> RatingCounts:  # type: ignore[no-untyped-def]
        last[:] = [rating_filter.mask(block)]
        return count_kept(block, rating_filter)

    filter_ratings(count, settings, seed)
    rows = block.where(last[0])
    return set(zip(rows.users.tolist(), rows.movies.tolist(), strict=True))


def peel(pairs: Pairs, min_per_user: int, min_per_movie: int) -> Pairs:
    """The textbook k-core: drop users and movies below the minimum, one by one, until stable."""
    while True:
        for axis, minimum in ((0, min_per_user), (1, min_per_movie)):
            ids = [pair[axis] for pair in pairs]
            bad = next((i for i in sorted(set(ids)) if ids.count(i) < minimum), None)
            if bad is not None:
                pairs = {pair for pair in pairs if pair[axis] != bad}
                break
        else:
            return pairs


PAIRS = st.sets(st.tuples(st.integers(0, 7), st.integers(0, 7)), min_size=1, max_size=50)


@given(pairs=PAIRS, min_per_user=st.integers(1, 4), min_per_movie=st.integers(1, 4))
def test_k_core_is_that_of_the_textbook(
    pairs: Pairs, min_per_user: int, min_per_movie: int
) -> None:
    settings = PrepareConfig(
        min_ratings_per_user=min_per_user, min_ratings_per_movie=min_per_movie, filter="k_core"
    )
    expected = peel(pairs, min_per_user, min_per_movie)
    if expected:
        assert kept_pairs(pairs, settings) == expected
    else:
        with pytest.raises(DataError, match="found no"):
            kept_pairs(pairs, settings)


def test_once_judges_by_the_raw_counts() -> None:
    # User 1 has two ratings. Dropping movie 20 removes one of them, but user 1 stays.
    pairs = {(1, 10), (1, 20), (2, 10), (2, 30), (3, 10), (3, 30), (4, 30)}
    settings = PrepareConfig(min_ratings_per_user=2, min_ratings_per_movie=2)
    assert kept_pairs(pairs, settings) == {(1, 10), (2, 10), (2, 30), (3, 10), (3, 30)}


def test_sampled_users_keep_all_their_ratings() -> None:
    block = grid(500, 4)
    settings = PrepareConfig(user_fraction=0.2)
    kept, _ = filter_ratings(lambda one: count_kept(block, one), settings, seed=9)
    assert set(kept.user_counts.tolist()) == {4}
    assert 60 < len(kept.users) < 140
    assert kept.num_read == 2000
