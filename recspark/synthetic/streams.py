"""Random numbers that depend on a seed, a purpose and a key only, never on who asks first."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

_KEY_BITS = 48


class Purpose(IntEnum):
    """What a stream of random numbers is for; each has streams of its own."""

    USERS = 1
    MOVIES = 2
    EFFECTS = 3
    CUTS = 4
    TITLES = 5
    ROWS = 6


def stream(seed: int, purpose: Purpose, key: int = 0) -> np.random.Generator:
    """Return the generator of one stream, by the counter-based Philox (Salmon et al. 2011).

    Args:
        seed: The data set's seed, 0 up to 2^63.
        purpose: Keeps draws for different ends apart.
        key: Which one, e.g. the movie's id; below 2^48.
    """
    words = np.array([seed, (int(purpose) << _KEY_BITS) | key], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=words))
