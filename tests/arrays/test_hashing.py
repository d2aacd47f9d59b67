from __future__ import annotations

import numpy as np
import pytest

from recspark.arrays.hashing import hash_keys, hashed_order, uniform


def splitmix(value: int) -> int:
    """The finaliser with Python integers."""
    value ^= value >> 30
    value = value * 0xBF58476D1CE4E5B9 % 2**64
    value ^= value >> 27
    value = value * 0x94D049BB133111EB % 2**64
    return value ^ (value >> 31)


def test_finaliser_gives_the_published_stream() -> None:
    # SplitMix64 seeded with 0 begins with these two outputs (Vigna's reference implementation).
    gamma = 0x9E3779B97F4A7C15
    assert splitmix(gamma) == 0xE220A8397B1DCDAF
    assert splitmix(2 * gamma % 2**64) == 0x6E789E6AA1B965F4
    # With a salt of zero, the vectorised hash is the finaliser applied twice.
    salt_free = hash_keys(0, "", np.array([3]), np.array([9]))
    assert int(salt_free[0]) == splitmix(splitmix(((3 << 32 | 9) + gamma) % 2**64))


def test_uniform_is_even_and_unrelated_to_its_keys() -> None:
    users, movies = (axis.ravel() for axis in np.mgrid[0:400, 0:250])
    draws = uniform(7, "test", users, movies)
    assert 0 <= draws.min() < 0.0005
    assert 0.9995 < draws.max() < 1
    counts = np.bincount((draws * 20).astype(int), minlength=20)
    chi_square = float(((counts - 5000.0) ** 2 / 5000).sum())
    assert chi_square < 43.8  # 0.1 % point at 19 degrees of freedom
    for keys in (users, movies):
        assert abs(np.corrcoef(keys, draws)[0, 1]) < 0.01


@pytest.mark.parametrize(("seed", "purpose"), [(8, "test"), (7, "valid")])
def test_seed_and_purpose_change_the_draw(seed: int, purpose: str) -> None:
    users, movies = np.arange(10_000), np.zeros(10_000, dtype=int)
    one, two = uniform(7, "test", users, movies), uniform(seed, purpose, users, movies)
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.04


@pytest.mark.parametrize("num_pairs", [0, 1, 2, 5000])
def test_hashed_order_is_the_order_of_the_hashes(num_pairs: int) -> None:
    users, movies = np.arange(num_pairs) % 70, np.arange(num_pairs) // 70
    hashes = hash_keys(7, "order", users, movies)
    assert hashed_order(7, "order", users, movies)[0].tolist() == np.argsort(hashes).tolist()


def test_hashed_order_keeps_equal_pairs_in_order() -> None:
    ones = np.ones(100, dtype=np.int32)
    order, may_repeat = hashed_order(7, "order", ones, ones)
    assert order.tolist() == list(range(100))
    assert may_repeat
