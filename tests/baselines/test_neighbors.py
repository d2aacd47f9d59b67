from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recspark.baselines.neighbor_mean import Neighbors, predict_pairs
from recspark.baselines.neighbors import find_neighbors
from recspark.baselines.user_block import UserBlock, build_block
from tests.baselines import dense


def blocks_of(ratings: dense.Floats, num_buckets: int, seed: int = 0) -> list[UserBlock]:
    """Partition the users into buckets with rows in random order; empty ones are left out."""
    rows = np.random.default_rng(seed).permutation(np.array(dense.cells(ratings)).reshape(-1, 3))
    made = []
    for bucket in range(num_buckets):
        mine = rows[rows[:, 0].astype(int) % num_buckets == bucket]
        if len(mine):
            users, movies = mine[:, 0].astype(np.int32), mine[:, 1].astype(np.int32)
            made.append(build_block(users, movies, mine[:, 2].astype(np.float32), ratings.shape[1]))
    return made


def neighbor_lists(
    ratings: dense.Floats, num_buckets: int, count: int, block_users: int
) -> dict[int, list[tuple[int, float]]]:
    """Return the neighbours that the package finds, by user."""
    blocks = blocks_of(ratings, num_buckets)
    num_rated_movies = int((~np.isnan(ratings).all(axis=0)).sum())
    lists: dict[int, list[tuple[int, float]]] = {}
    for target in blocks:
        found = find_neighbors(
            target,
            blocks,
            num_rated_movies=num_rated_movies,
            num_neighbors=count,
            block_users=block_users,
        )
        for user, other, similarity in zip(*(part.tolist() for part in found), strict=True):
            lists.setdefault(user, []).append((other, similarity))
    return lists


def flatten(lists: dict[int, list[tuple[int, float]]]) -> Neighbors:
    rows = [(user, *entry) for user in sorted(lists) for entry in lists[user]]
    users, others, similarity = zip(*rows, strict=True)
    return Neighbors(
        np.array(users, np.int32), np.array(others, np.int32), np.array(similarity, np.float32)
    )


def test_a_block_holds_means_and_deviations_in_user_order() -> None:
    block = build_block(
        np.array([8, 2, 8, 2], np.int32),
        np.array([1, 0, 0, 3], np.int32),
        np.array([5, 1, 2, 4], np.float32),
        num_movies=5,
    )
    assert block.user_index.tolist() == [2, 8]
    assert block.means.tolist() == [2.5, 3.5]
    assert block.deviations.toarray().tolist() == [[-1.5, 0, 0, 1.5, 0], [-1.5, 1.5, 0, 0, 0]]


def test_a_block_is_the_same_to_the_last_bit_in_any_order_of_rows() -> None:
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(20, dtype=np.int32), 50)
    movies = np.tile(np.arange(50, dtype=np.int32), 20)
    ratings = rng.uniform(1, 5, 1000).astype(np.float32)
    once = build_block(users, movies, ratings, 50)
    order = rng.permutation(1000)
    again = build_block(users[order], movies[order], ratings[order], 50)
    np.testing.assert_array_equal(once.means, again.means)
    np.testing.assert_array_equal(once.deviations.toarray(), again.deviations.toarray())


@pytest.mark.parametrize("num_buckets", [1, 3, 7])
def test_neighbors_are_those_of_the_dense_recipe(num_buckets: int) -> None:
    ratings = dense.random_ratings(1, 40, 25, 0.3)
    ratings[11] = np.nan  # absent from train
    ratings[:, 4] = np.nan  # a movie known to the index only
    lists = neighbor_lists(ratings, num_buckets, count=6, block_users=5)
    assert set(lists) == set(range(40)) - {11}
    for user, found in lists.items():
        expected = dense.nearest(ratings, user, 6)
        assert [other for other, _ in found] == [other for other, _ in expected]
        np.testing.assert_allclose([s for _, s in found], [s for _, s in expected], atol=1e-7)


@given(
    seed=st.integers(0, 10_000),
    num_users=st.integers(1, 12),
    num_buckets=st.integers(1, 5),
    block_users=st.integers(1, 4),
)
@settings(max_examples=60, deadline=None)
def test_ties_go_to_the_lower_index_however_users_are_partitioned(
    seed: int, num_users: int, num_buckets: int, block_users: int
) -> None:
    # Users in threes with equal ratings: their similarities to anyone are equal to the last bit.
    ratings = np.repeat(dense.random_ratings(seed, num_users, 6, 0.6), 3, axis=0)
    once = neighbor_lists(ratings, 1, count=4, block_users=100)
    assert neighbor_lists(ratings, num_buckets, count=4, block_users=block_users) == once
    for user, found in once.items():
        for (left, left_similarity), (right, right_similarity) in pairwise(found):
            assert left_similarity >= right_similarity
            if (dense.filled(ratings)[left] == dense.filled(ratings)[right]).all():
                assert left < right
        kept = {other for other, _ in found}
        for other in kept:  # an equal user with a lower index is kept as well
            equals = set(range(other // 3 * 3, other)) - {user}
            assert equals <= kept


def test_fewer_users_than_neighbors_leaves_short_lists() -> None:
    lists = neighbor_lists(dense.random_ratings(5, 4, 8, 0.9), 2, count=100, block_users=256)
    assert {user: len(found) for user, found in lists.items()} == dict.fromkeys(range(4), 3)


@pytest.mark.parametrize("num_buckets", [1, 4])
def test_predictions_are_those_of_the_dense_recipe(
    num_buckets: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recspark.baselines.neighbor_mean._LOOKUPS", 50)  # many pieces
    ratings = dense.random_ratings(2, 30, 20, 0.35)
    ratings[7] = np.nan
    ratings[:, 3] = np.nan
    lists = neighbor_lists(ratings, num_buckets, count=8, block_users=4)
    users, movies = (part.ravel().astype(np.int32) for part in np.indices(ratings.shape))
    predicted = predict_pairs(
        users, movies, flatten(lists), blocks_of(ratings, num_buckets), num_movies=20
    )
    expected = [dense.neighbor_mean(ratings, u, m, 8) for u, m in zip(users, movies, strict=True)]
    np.testing.assert_allclose(predicted, expected, atol=1e-6)
    assert np.isnan(predicted).sum() == 20 + 30 - 1


def test_a_movie_rated_by_no_neighbor_gets_their_weighted_mean_rating() -> None:
    nan = np.nan
    # Movie 2 is rated by user 3 alone, who is not among user 0's two nearest.
    ratings = np.array([[4, 4, nan], [5, 5, nan], [3, 3, nan], [1, 5, 3]])
    lists = neighbor_lists(ratings, 2, count=2, block_users=2)
    assert [other for other, _ in lists[0]] == [1, 2]
    predicted = predict_pairs(
        np.array([0], np.int32),
        np.array([2], np.int32),
        flatten(lists),
        blocks_of(ratings, 2),
        num_movies=3,
    )
    assert predicted[0] == pytest.approx(4.0)  # both cosines are 1, their means 5 and 3
