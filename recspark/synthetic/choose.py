"""Which users rate a movie: different ones, eager ones more often."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Users = NDArray[np.int32]

# Above this share of all users, keys for all of them are quicker than repeated draws.
_DENSE_SHARE = 1 / 16
_EXTRA = 1.2


def build_slots(weights: NDArray[np.int32]) -> Users:
    """Return a table with each user in as many slots as the user's weight: a slot is a draw."""
    return np.repeat(np.arange(len(weights), dtype=np.int32), weights)


def choose_users(
    rows: np.random.Generator,
    num: int,
    always: Users,
    weights: NDArray[np.int32],
    slots: Users,
) -> Users:
    """Return `num` different users, those of `always` first.

    The others come as if drawn one after the other without replacement, in proportion to their
    weights: either so indeed (drawing with replacement and keeping first occurrences), or, for a
    large share of the users, as those with the smallest exponential keys (Efraimidis & Spirakis
    2006, which is the same distribution).

    Args:
        rows: The movie's stream.
        num: Users wanted, from len(always) to len(weights).
        always: Different users that are among them.
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
    """Return the different users in the order in which each appears first."""
    place = np.empty(num_users, dtype=np.int32)
    positions = np.arange(len(users), dtype=np.int32)
    # Written backwards, the first occurrence is the one that stays.
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
