from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recspark.arrays.ratings import Ratings, pair_keys
from recspark.prepare.split import (
    TEST,
    TRAIN,
    VALID,
    Codes,
    LastSplit,
    PairsSplit,
    RandomSplit,
    TimeSplit,
)
from tests.prepare.blocks import block_of, grid

BLOCK = grid(400, 50)
N = 20_000


def share(codes: Codes, code: int) -> float:
    return float((codes == code).mean())


def test_shares_are_as_requested() -> None:
    codes = RandomSplit(test_fraction=0.2, valid_fraction=0.1, seed=1)(BLOCK)
    # Three standard deviations of a binomial share at n = 20,000 are below 0.009.
    assert share(codes, TEST) == pytest.approx(0.2, abs=0.009)
    assert share(codes, VALID) == pytest.approx(0.8 * 0.1, abs=0.006)
    assert share(codes, TRAIN) == pytest.approx(0.8 * 0.9, abs=0.0096)


def test_row_order_and_blocks_do_not_matter() -> None:
    split = RandomSplit(test_fraction=0.2, valid_fraction=0.1, seed=1)
    whole = split(BLOCK)
    order = np.random.default_rng(0).permutation(N)
    parts = np.array_split(order, 7)
    apart = np.empty(N, dtype=np.uint8)
    for rows in parts:
        mask = np.zeros(N, dtype=bool)
        mask[rows] = True
        apart[mask] = split(BLOCK.where(mask))
    assert (apart == whole).all()


def test_another_seed_draws_another_test_set() -> None:
    one = RandomSplit(test_fraction=0.2, valid_fraction=0.0, seed=1)(BLOCK)
    two = RandomSplit(test_fraction=0.2, valid_fraction=0.0, seed=2)(BLOCK)
    assert float(((one == TEST) & (two == TEST)).mean()) == pytest.approx(0.04, abs=0.005)


def test_valid_is_drawn_apart_from_test() -> None:
    # With one hash for both draws, no rating beyond the first half could be valid.
    codes = RandomSplit(test_fraction=0.5, valid_fraction=0.5, seed=1)(BLOCK)
    assert share(codes, VALID) == pytest.approx(0.25, abs=0.01)


def test_pairs_are_the_test_set() -> None:
    held_out = [(0, 0), (1, 3), (399, 49), (5000, 1)]  # nobody rated the last one
    users, movies = (np.array(column, dtype=np.int32) for column in zip(*held_out, strict=True))
    keys = np.sort(pair_keys(users, movies))
    codes = PairsSplit(keys, valid_fraction=0.0, seed=1)(BLOCK)
    in_test = BLOCK.where(codes == TEST)
    found = set(zip(in_test.users.tolist(), in_test.movies.tolist(), strict=True))
    assert found == {(0, 0), (1, 3), (399, 49)}
    assert set(codes.tolist()) == {TRAIN, TEST}


def test_pairs_beyond_the_last_key_and_no_pairs_at_all() -> None:
    keys = np.array([5], dtype=np.int64)
    assert PairsSplit(keys, 0.0, 1)(block_of([(7, 7)])).tolist() == [TRAIN]
    assert PairsSplit(keys[:0], 0.0, 1)(block_of([(7, 7)])).tolist() == [TRAIN]


def test_pairs_split_still_draws_valid() -> None:
    codes = PairsSplit(np.zeros(0, dtype=np.int64), valid_fraction=0.1, seed=1)(BLOCK)
    assert share(codes, VALID) == pytest.approx(0.1, abs=0.007)


def test_newest_ratings_are_test_cut_between_days() -> None:
    days, counts = np.array([3, 5, 8, 9]), np.array([50, 30, 15, 5])
    split = TimeSplit.of(days, counts, test_fraction=0.1, valid_fraction=0.25)
    # Day 9 has 5 % of the ratings, days 8 and 9 have 20 %; of the other 80, day 5 has 37.5 %.
    assert (split.valid_from, split.test_from) == (5, 8)
    block = Ratings(BLOCK.users[:4], BLOCK.movies[:4], BLOCK.ratings[:4], days.astype(np.int32))
    assert split(block).tolist() == [TRAIN, VALID, TEST, TEST]


def test_cut_date_and_no_valid() -> None:
    days, counts = np.array([3, 5, 8]), np.array([1, 1, 1])
    split = TimeSplit.of(days, counts, test_fraction=0.5, valid_fraction=0.0, test_from=5)
    block = Ratings(BLOCK.users[:3], BLOCK.movies[:3], BLOCK.ratings[:3], days.astype(np.int32))
    assert split(block).tolist() == [TRAIN, TEST, TEST]


ROWS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 30), st.integers(0, 4)),
    unique_by=lambda row: row[:2],
    min_size=1,
)


@given(rows=ROWS, num_last=st.integers(1, 3), has_valid=st.booleans())
def test_each_users_newest_ratings_are_test(
    rows: list[tuple[int, int, int]], num_last: int, has_valid: bool
) -> None:
    users, movies, days = (np.array(x, dtype=np.int32) for x in zip(*rows, strict=True))
    block = Ratings(users, movies, np.ones(len(rows), dtype=np.float32), days)
    codes = LastSplit(num_last, has_valid, seed=3)(block)
    for user in set(users.tolist()):
        mine = np.flatnonzero(users == user)
        in_test, in_valid = (mine[codes[mine] == code] for code in (TEST, VALID))
        assert len(in_test) == min(num_last, len(mine))
        assert len(in_valid) == (min(num_last, len(mine) - len(in_test)) if has_valid else 0)
        in_train = mine[codes[mine] == TRAIN]
        for newer, older in ((in_test, in_valid), (in_test, in_train), (in_valid, in_train)):
            if len(newer) and len(older):
                assert days[newer].min() >= days[older].max()
    # In another order of rows, each rating is in the same split.
    order = np.random.default_rng(0).permutation(len(rows))
    shuffled = Ratings(users[order], movies[order], block.ratings, days[order])
    assert (LastSplit(num_last, has_valid, seed=3)(shuffled) == codes[order]).all()
