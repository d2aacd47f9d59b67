from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recspark.arrays.ratings import NO_TIME
from recspark.prepare.bucket_rows import BucketRows
from recspark.prepare.split import (
    FOLD_IN,
    TEST,
    TRAIN,
    VALID,
    Codes,
    HeldOutUsersSplit,
    LastSplit,
    PairsSplit,
    RandomSplit,
    TimeSplit,
    UserShareSplit,
    UsersSplit,
    pair_keys,
)
from recspark.prepare.time_cut import cut_by_time
from tests.prepare.blocks import block_of, grid, rows_of

BLOCK = rows_of(grid(400, 50))
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
        apart[mask] = split(BLOCK.take(mask))
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
    in_test = BLOCK.take(codes == TEST)
    found = set(zip(in_test.users.tolist(), in_test.movies.tolist(), strict=True))
    assert found == {(0, 0), (1, 3), (399, 49)}
    assert set(codes.tolist()) == {TRAIN, TEST}


def test_pairs_beyond_the_last_key_and_no_pairs_at_all() -> None:
    keys = np.array([5], dtype=np.int64)
    assert PairsSplit(keys, 0.0, 1)(rows_of(block_of([(7, 7)]))).tolist() == [TRAIN]
    assert PairsSplit(keys[:0], 0.0, 1)(rows_of(block_of([(7, 7)]))).tolist() == [TRAIN]


def test_pairs_split_still_draws_valid() -> None:
    codes = PairsSplit(np.zeros(0, dtype=np.int64), valid_fraction=0.1, seed=1)(BLOCK)
    assert share(codes, VALID) == pytest.approx(0.1, abs=0.007)


DAY = 86_400


def at(times: list[int]) -> BucketRows:
    """Return rows of one user with these times."""
    rows = rows_of(block_of([(1, movie) for movie in range(len(times))]))
    return dataclasses.replace(rows, times=np.array(times, np.int32))


def cut(times: list[int], **settings: float) -> TimeSplit:
    """Return the time split of ratings with these times, counted as the stage counts them."""
    days, counts = np.unique(np.array(times) // DAY, return_counts=True)

    def count_seconds(day: int) -> tuple[np.ndarray, np.ndarray]:
        return np.unique([x for x in times if x // DAY == day], return_counts=True)

    return cut_by_time(days, counts, count_seconds, **settings)  # type: ignore[arg-type]


def test_newest_ratings_are_test_cut_between_seconds() -> None:
    # One day, a rating a second: by days, all would be test.
    times = list(range(1000, 1100))
    split = cut(times, test_fraction=0.1, valid_fraction=0.2)
    codes = split(at(times))
    assert codes.tolist() == [TRAIN] * 72 + [VALID] * 18 + [TEST] * 10


def test_cut_gives_each_part_at_least_its_share() -> None:
    # 5 % of the ratings are in the last second, 20 % in the last two; of the other 80, 30 are in
    # the one before.
    times = [3 * DAY] * 50 + [5 * DAY + 7] * 30 + [8 * DAY] * 15 + [8 * DAY + 1] * 5
    split = cut(times, test_fraction=0.1, valid_fraction=0.25)
    assert (split.valid_from, split.test_from) == (5 * DAY + 7, 8 * DAY)


def test_rating_without_a_time_is_the_oldest() -> None:
    times = [NO_TIME, 5, 6, 7]
    split = cut(times, test_fraction=0.25, valid_fraction=0.0)
    assert split(at(times)).tolist() == [TRAIN, TRAIN, TRAIN, TEST]


def test_cut_date_and_no_valid() -> None:
    times = [3 * DAY, 5 * DAY - 1, 5 * DAY, 8 * DAY]
    split = cut(times, test_fraction=0.5, valid_fraction=0.0, test_from=5 * DAY)
    assert split(at(times)).tolist() == [TRAIN, TRAIN, TEST, TEST]
    valid = cut(times, test_fraction=0.5, valid_fraction=0.5, test_from=5 * DAY)
    assert valid(at(times)).tolist() == [TRAIN, VALID, TEST, TEST]


@given(
    times=st.lists(st.integers(-3 * DAY, 3 * DAY), min_size=1, max_size=60),
    test_fraction=st.sampled_from([0.0, 0.1, 0.5, 0.9]),
    valid_fraction=st.sampled_from([0.0, 0.3]),
)
def test_time_split_is_that_of_sorting(
    times: list[int], test_fraction: float, valid_fraction: float
) -> None:
    split = cut(times, test_fraction=test_fraction, valid_fraction=valid_fraction)
    codes = split(at(times))
    newest = sorted(times, reverse=True)

    def from_share(wanted: float) -> float:
        return newest[int(np.ceil(wanted)) - 1] if wanted > 0 else np.inf

    test_from = from_share(test_fraction * len(times))
    in_test = sum(time >= test_from for time in times)
    share = valid_fraction * (len(times) - in_test)
    valid_from = from_share(in_test + share) if share > 0 else test_from
    wanted = [TEST if x >= test_from else VALID if x >= valid_from else TRAIN for x in times]
    assert codes.tolist() == wanted


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
    pairs = list(zip(users.tolist(), movies.tolist(), strict=True))
    block = dataclasses.replace(rows_of(block_of(pairs)), times=days)
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
    shuffled = block.take(order)
    assert (LastSplit(num_last, has_valid, seed=3)(shuffled) == codes[order]).all()


def test_ties_at_the_cut_are_counted_by_user() -> None:
    # User 0's newest two are of one second, user 1's are not, user 2 has a single rating.
    pairs = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0)]
    times = np.array([5, 9, 9, 5, 9, 9], np.int32)
    rows = dataclasses.replace(rows_of(block_of(pairs)), times=times)
    assert LastSplit(1, has_valid=False, seed=3).count_ties(rows) == 1
    assert LastSplit(2, has_valid=False, seed=3).count_ties(rows) == 0


def test_each_user_gives_his_share() -> None:
    codes = UserShareSplit(test_fraction=0.2, valid_fraction=0.1, seed=1)(BLOCK)
    for user in range(400):
        mine = codes[BLOCK.users == user]
        assert (mine == TEST).sum() == 10
        assert (mine == VALID).sum() == 4
    few = rows_of(grid(4000, 2))
    codes = UserShareSplit(test_fraction=0.2, valid_fraction=0.0, seed=1)(few)
    assert share(codes, TEST) == pytest.approx(0.2, abs=0.02)
    one = UserShareSplit(test_fraction=0.9, valid_fraction=0.9, seed=1)(rows_of(grid(50, 1)))
    assert set(one.tolist()) == {TRAIN}


def test_some_users_are_wholly_held_out() -> None:
    codes = UsersSplit(test_fraction=0.3, valid_fraction=0.2, seed=1)(BLOCK)
    of_user = {user: set(codes[BLOCK.users == user].tolist()) for user in range(400)}
    assert all(len(found) == 1 for found in of_user.values())
    in_test = [user for user, found in of_user.items() if found == {TEST}]
    in_valid = [user for user, found in of_user.items() if found == {VALID}]
    assert 90 < len(in_test) < 150
    assert 35 < len(in_valid) < 80


@pytest.mark.parametrize(
    ("num_rated", "fold_in", "num_test"),
    [(50, 0.8, 10), (5, 0.8, 1), (4, 0.8, 0), (9, 0.8, 1), (10, 0.5, 5), (1, 0.5, 0)],
)
def test_most_ratings_of_held_out_users_are_folded_in(
    num_rated: int, fold_in: float, num_test: int
) -> None:
    rows = rows_of(grid(400, num_rated))
    codes = HeldOutUsersSplit(0.3, 0.2, fold_in, seed=1)(rows)
    whole = UsersSplit(0.3, 0.2, seed=1)(rows)
    is_test = whole == TEST
    assert (codes[~is_test] == whole[~is_test]).all()
    assert set(codes[is_test].tolist()) <= {TEST, FOLD_IN}
    for user in np.unique(rows.users[is_test]):
        assert (codes[rows.users == user] == TEST).sum() == num_test
    order = np.random.default_rng(0).permutation(len(rows))
    again = HeldOutUsersSplit(0.3, 0.2, fold_in, seed=1)(rows.take(order))
    assert (again == codes[order]).all()
    if 0 < num_test < 50 and num_rated == 50:
        drawn = [
            rows.movies[(rows.users == u) & (codes == TEST)] for u in np.unique(rows.users[is_test])
        ]
        assert len({tuple(sorted(one.tolist())) for one in drawn}) > 90
