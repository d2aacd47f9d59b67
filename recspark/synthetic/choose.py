"""Which users rate a movie: distinct users, eager ones and those it pulls more often."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recspark.synthetic.pull import Pull, dot

Users = NDArray[np.int32]

# Above this share of all users, computing keys for all is faster than repeated draws.
_DENSE_SHARE = 1 / 16
_EXTRA = 1.2
_PROPOSALS_PER_USER = 1 / 4  # the same for `choose_pulled`


def build_slots(weights: NDArray[np.int32], pull: Pull | None = None) -> Users:
    """Return a table with as many slots per user as the user's weight; each slot is drawn alike.

    With a pull, the slots are in the order of its cells.
    """
    if pull is None:
        return np.repeat(np.arange(len(weights), dtype=np.int32), weights)
    return np.repeat(pull.cells.order, weights[pull.cells.order])


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
        return _by_keys(rows, num, always, weights)[0]
    chosen = always
    while len(chosen) < num:
        wanted = int((num - len(chosen)) * _EXTRA) + 16
        draws = slots[rows.integers(len(slots), size=wanted)]
        chosen = _first_occurrences(np.concatenate([chosen, draws]), len(weights))
    return chosen[:num]


def choose_pulled(
    rows: np.random.Generator,
    num: int,
    always: Users,
    weights: NDArray[np.int32],
    slots: Users,
    pull: Pull,
    movie: int,
) -> tuple[Users, float]:
    """Return what `choose_users` does for weights of weight · exp(pull), and the movie's exposure.

    The exposure is the time that the draws took: where a user is drawn at a rate of
    weight · exp(pull), he is among the others with probability 1 - exp(-exposure · rate).

    Draws come from a proposal whose rates are at least as high: for the users of a cell,
    weight · exp(highest pull of the cell's box). Each is accepted with the ratio of the two rates.

    Args:
        rows: The movie's random stream.
        num: Number of users to return, from len(always) to len(weights).
        always: Distinct users to include.
        weights: Weight of every user.
        slots: From `build_slots` of the weights and the pull.
        pull: The pull of users towards movies.
        movie: Position of the movie.
    """
    cells, vector = pull.cells, pull.movies[:, movie]
    middles = dot(cells.middle, vector).astype(np.float64)
    bounds = middles + dot(cells.half_width, np.abs(vector))
    slot_rates, likely_rates = np.exp(bounds), np.exp(middles)
    ends = np.cumsum(cells.num_slots * slot_rates)
    # After so long, the proposals would have cost as much as keys for all users.
    budget = len(weights) * _PROPOSALS_PER_USER / ends[-1]
    user_rates = likely_rates * cells.num_slots / cells.num_users
    if num - len(always) > cells.num_users @ -np.expm1(-budget * user_rates):
        return _by_keys(rows, num, always, weights * np.exp(dot(pull.users, vector)))
    per_accepted = ends[-1] / (cells.num_slots @ likely_rates)
    chosen, exposure = always, 0.0
    while len(chosen) < num:
        wanted = int((num - len(chosen)) * _EXTRA * per_accepted) + 16
        points = rows.random(wanted) * ends[-1]
        cell = np.searchsorted(ends[:-1], points, side="right")
        before_end = ((ends[cell] - points) / slot_rates[cell]).astype(np.int64)
        draws = slots[cells.slot_ends[cell] - 1 - before_end]
        gaps = bounds[cell] - dot(pull.users[:, draws], vector)
        accepted = np.flatnonzero(rows.standard_exponential(wanted) > gaps)
        draws = draws[accepted]
        chosen = _first_occurrences(np.concatenate([chosen, draws]), len(weights))
        used = wanted
        if len(chosen) >= num:
            used = 1 + int(accepted[np.argmax(draws == chosen[num - 1])])
        exposure += float(used / ends[-1])
    return chosen[:num], exposure


def _first_occurrences(users: Users, num_users: int) -> Users:
    """Return the distinct users in order of first appearance."""
    place = np.empty(num_users, dtype=np.int32)
    positions = np.arange(len(users), dtype=np.int32)
    # Writing backwards leaves each user's first occurrence.
    place[users[::-1]] = positions[::-1]
    return users[place[users] == positions]


def _by_keys(
    rows: np.random.Generator,
    num: int,
    always: Users,
    rates: NDArray[np.int32] | NDArray[np.float64],
) -> tuple[Users, float]:
    """Return the users and the largest key of one who is not of `always`, or 0."""
    keys = rows.standard_exponential(len(rates)) / rates
    keys[always] = np.inf
    others = num - len(always)
    if others == 0:
        return always, 0.0
    limit = np.partition(keys, others - 1)[others - 1]
    chosen = np.flatnonzero(keys <= limit)[:others].astype(np.int32)
    return np.concatenate([always, chosen]), float(limit)
