"""Random numbers that depend only on a seed, a purpose and a key, not on the order of calls."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

_KEY_BITS = 48


class Purpose(IntEnum):
    """What a stream of random numbers is for; each purpose has its own streams."""

    USERS = 1
    MOVIES = 2
    EFFECTS = 3
    CUTS = 4
    TITLES = 5
    ROWS = 6
    FAULTS = 7
    LISTS = 8


def stream(seed: int, purpose: Purpose, key: int = 0) -> np.random.Generator:
    """Return the generator of one stream, a counter-based Philox (Salmon et al. 2011).

    Args:
        seed: The data set's seed, from 0 and below 2^63.
        purpose: Separates draws for different purposes.
        key: Which stream of the purpose, e.g. the movie's position; below 2^48.
    """
    words = np.array([seed, (int(purpose) << _KEY_BITS) | key], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=words))
