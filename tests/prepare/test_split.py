from __future__ import annotations

import numpy as np
import pytest

from recspark.prepare.split import (
    TEST,
    TRAIN,
    VALID,
    Codes,
    PairsSplit,
    RandomSplit,
    pair_keys,
)
from tests.prepare.blocks import block_of, grid

BLOCK = grid(400, 50)
N = 20_000


def share(codes: Codes, code: int) -> float:
    return float((codes == code).mean())


def test_shares_are_as_asked() -> None:
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
    held_out = [(0, 0), (1, 3), (399, 49), (5000, 1)]  # the last one nobody rated
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


def test_pairs_split_still_carves_valid() -> None:
    codes = PairsSplit(np.zeros(0, dtype=np.int64), valid_fraction=0.1, seed=1)(BLOCK)
    assert share(codes, VALID) == pytest.approx(0.1, abs=0.007)
