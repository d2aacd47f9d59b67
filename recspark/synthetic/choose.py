"""Which users rate a movie: distinct users, eager ones more often."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Users = NDArray[np.int32]

# Above this share of all users, computing keys for all is faster than repeated draws.
_DENSE_SHARE = 1 / 16
_EXTRA = 1.2


def build_slots(weights: NDArray[np.int32]) -> Users:
    """Return a table with as many slots per user as the user's weight; each slot is drawn alike."""
    return np.repeat(np.arange(len(weights), dtype=np.int32), weights)


def choose_users(
    rows: np.random.Generator,
    num: int,
    always: Users,
    weights: NDArray[np.int32],
    slots: Users,
) -> Users:
    """Return `num` distinct users, those of `always` first.

    The others have the distribution of successive draws without replacement in proportion to the
    weights. They are drawn with replacement, keeping first occurrences. If `num` is a large share
    of all users, those with the smallest exponential keys are taken instead, which gives the same
    distribution (Efraimidis & Spirakis 2006).

    Args:
        rows: The movie's random stream.
        num: Number of users to return, from len(always) to len(weights).
        always: Distinct users to include.
        weights: Weight of every user.
        slots: From `build_slots`.
    """
    if num > len(weights) * _DENSE_SHARE:
        return _by_keys(rows, num, always, weights)
    chosen = always
    while len(chosen) < num:
        wanted = int((num - len(chosen)) * _EXTRA) + 16
        draws = slots[rows.integers(len(slots), size=wanted)]
        chosen = _first_occurrences(np.concatenate([chosen, draws]), len(weights))
    return chosen[:num]


def _first_occurrences(users: Users, num_users: int) -> Users:
    """Return the distinct users in order of first appearance."""
    place = np.empty(num_users, dtype=np.int32)
    positions = np.arange(len(users), dtype=np.int32)
    # Writing backwards leaves each user's first occurrence.
    place[users[::-1]] = positions[::-1]
    return users[place[users] == positions]


def _by_keys(
    rows: np.random.Generator, num: int, always: Users, weights: NDArray[np.int32]
) -> Users:
    keys = rows.standard_exponential(len(weights)) / weights
    keys[always] = np.inf
    others = num - len(always)
    if others == 0:
        return always
    limit = np.partition(keys, others - 1)[others - 1]
    return np.concatenate([always, np.flatnonzero(keys <= limit)[:others].astype(np.int32)])
