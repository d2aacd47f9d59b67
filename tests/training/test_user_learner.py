from __future__ import annotations

import numpy as np
import torch

from recspark.training.feed import Ratings
from recspark.training.user_learner import UserRatings


def test_users_come_as_rows_of_centred_ratings() -> None:
    # user 0: movies 2 and 0; user 1: none; user 2: movie 1
    found = Ratings.of(
        torch.tensor([2, 0, 0], dtype=torch.int32),
        torch.tensor([1, 2, 0], dtype=torch.int32),
        torch.tensor([4.0, 1.0, 2.0]),
    )
    grouped = UserRatings.of(found, num_users=3, rating_mean=3.5)
    centred, means, is_rated = grouped.rows(torch.tensor([2, 0, 1]), num_movies=4)
    assert means.tolist() == [4.0, 1.5, 3.5]
    assert is_rated.tolist() == [
        [False, True, False, False],
        [True, False, True, False],
        [False] * 4,
    ]
    assert centred.tolist() == [[0, 0, 0, 0], [0.5, 0, -0.5, 0], [0, 0, 0, 0]]


def test_many_users_agree_with_a_dense_matrix() -> None:
    rng = np.random.default_rng(1)
    dense = np.where(rng.random((30, 13)) < 0.4, rng.integers(1, 6, (30, 13)), 0).astype(np.float32)
    users, movies = np.nonzero(dense)
    order = rng.permutation(len(users))
    found = Ratings.of(
        torch.from_numpy(users[order].astype(np.int32)),
        torch.from_numpy(movies[order].astype(np.int32)),
        torch.from_numpy(dense[users, movies][order]),
    )
    chosen = rng.permutation(30)[:17]
    centred, means, is_rated = UserRatings.of(found, 30, 3.0).rows(torch.from_numpy(chosen), 13)
    mine = dense[chosen]
    expected = np.array([row[row > 0].mean() if row.any() else 3.0 for row in mine])
    np.testing.assert_allclose(means.numpy(), expected, rtol=1e-6)
    np.testing.assert_array_equal(is_rated.numpy(), mine > 0)
    restored = np.where(mine > 0, centred.numpy() + means.numpy()[:, None], 0)
    np.testing.assert_allclose(restored, mine, rtol=1e-6)
