"""Who rated what, against a dense singular value decomposition."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest

from recspark.arrays.compiled import Threads
from recspark.training.interactions import Interactions, Pairs, find_interactions


def alone(values: np.ndarray) -> np.ndarray:
    return values


def planted(num_users: int, num_movies: int, seed: int = 1) -> np.ndarray:
    """Return a 0/1 matrix of users and movies of eight kinds, with uneven numbers of pairs."""
    rng = np.random.default_rng(seed)
    kinds = rng.random((8, 8)) ** 3
    chance = kinds[rng.integers(0, 8, num_users)][:, rng.integers(0, 8, num_movies)]
    chance *= rng.random((num_users, 1)) * rng.random(num_movies)
    # No movie stands alone with its users: a second singular value of 1 would have no one vector.
    return rng.random(chance.shape) < 0.03 + chance


def to_pairs(rated: np.ndarray) -> Pairs:
    starts = np.concatenate([[0], rated.sum(axis=1).cumsum()]).astype(np.int64)
    return Pairs(starts, np.nonzero(rated)[1].astype(np.int32), rated.shape[1])


def dense(rated: np.ndarray, num_features: int) -> Interactions:
    """Return the same from LAPACK's decomposition of the dense matrix."""
    users, movies = rated.sum(axis=1), rated.sum(axis=0)
    more = [one.sum() / np.count_nonzero(one) for one in (users, movies)]
    scaled = rated / np.sqrt(users + more[0])[:, None] / np.sqrt(movies + more[1])
    u, s, vt = np.linalg.svd(scaled, full_matrices=False)
    signs = np.sign(vt[np.arange(len(vt)), np.abs(vt).argmax(axis=1)])
    u, s, v = (u * signs)[:, :num_features], s[:num_features], (vt.T * signs)[:, :num_features]
    num_users, num_movies = np.count_nonzero(users), np.count_nonzero(movies)
    return Interactions(u * s * np.sqrt(num_users), v * s * np.sqrt(num_movies), s)


def test_few_movies_agree_with_a_dense_decomposition() -> None:
    rated = planted(150, 40)
    rated[3], rated[:, 5] = False, False  # a user and a movie without a pair
    found = find_interactions(to_pairs(rated), 6, 0, Threads(1), alone)
    expected = dense(rated, 6)
    np.testing.assert_allclose(found.values, expected.values, atol=1e-6)
    np.testing.assert_allclose(found.users, expected.users, atol=1e-4)
    np.testing.assert_allclose(found.movies, expected.movies, atol=1e-4)
    assert not found.users[3].any()
    assert not found.movies[5].any()


def test_many_movies_agree_with_a_dense_decomposition() -> None:
    rated = planted(900, 500)
    found = find_interactions(to_pairs(rated), 8, 0, Threads(1), alone)
    expected = dense(rated, 8)
    np.testing.assert_allclose(found.values, expected.values, atol=1e-4)
    # The first four stand apart from the noise, so their vectors are as certain as their values.
    np.testing.assert_allclose(found.users[:, :4], expected.users[:, :4], atol=3e-3)
    np.testing.assert_allclose(found.movies[:, :4], expected.movies[:, :4], atol=3e-3)


def test_a_pair_apart_from_all_others_takes_no_feature() -> None:
    """Scaled by plain counts, each such pair would have a singular value of 1, the largest."""
    rated = np.zeros((160, 50), bool)
    rated[:150, :40] = planted(150, 40)
    rated[np.arange(150, 160), np.arange(40, 50)] = True
    found = find_interactions(to_pairs(rated), 6, 0, Threads(1), alone)
    assert np.abs(found.users[150:]).max() < 1e-3
    assert np.abs(found.users[:150]).max() > 0.5


def test_more_features_than_movies_give_all_there_are() -> None:
    rated = planted(50, 12)
    found = find_interactions(to_pairs(rated), 64, 0, Threads(1), alone)
    assert found.movies.shape == (12, 12)
    np.testing.assert_allclose(found.users, dense(rated, 12).users, atol=1e-4)


@pytest.mark.parametrize("num_threads", [1, 3])
def test_ranks_and_threads_change_nothing(
    monkeypatch: pytest.MonkeyPatch, num_threads: int
) -> None:
    monkeypatch.setattr("recspark.training.interactions._CHUNK", 500)
    rated = planted(900, 500)
    whole = find_interactions(to_pairs(rated), 4, 0, Threads(1), alone)
    parts = run_ranks([rated[rank::4] for rank in range(4)], 4, num_threads)
    for rank, part in enumerate(parts):
        np.testing.assert_allclose(part.users, whole.users[rank::4], atol=1e-3)
        np.testing.assert_allclose(part.movies, whole.movies, atol=1e-3)
        assert np.array_equal(part.movies, parts[0].movies)


def run_ranks(shares: list[np.ndarray], num_features: int, num_threads: int) -> list[Interactions]:
    """Run one thread per rank, which meet to add up their arrays."""
    barrier = Barrier(len(shares))
    arrays: list[np.ndarray] = [np.empty(0)] * len(shares)

    def run(rank: int) -> Interactions:
        def sum_over_ranks(values: np.ndarray) -> np.ndarray:
            arrays[rank] = values
            barrier.wait()
            total = np.sum(arrays, axis=0)
            barrier.wait()
            return np.asarray(total)

        threads = Threads(num_threads)
        return find_interactions(to_pairs(shares[rank]), num_features, 0, threads, sum_over_ranks)

    with ThreadPoolExecutor(len(shares)) as pool:
        return list(pool.map(run, range(len(shares))))
