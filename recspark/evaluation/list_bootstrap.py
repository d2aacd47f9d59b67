"""Intervals of the figures of lists, and paired differences, by the bootstrap over users.

A difference is taken over the users whom both models count, so that lists for few users are
compared with the others' lists for the same users.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pyspark.sql import SparkSession

from recspark.cluster.tasks import spread
from recspark.evaluation.bootstrap import Comparison, compare, resample_sums
from recspark.evaluation.list_sums import COMPARED, ListSums

Doubles = npt.NDArray[np.float64]
Pair = tuple[str, str]
"""A model, and the one whose users it is measured over too."""

# Users of a task; whole, so that no figure depends on the number of tasks.
_SLICE = 16_384


@dataclass(frozen=True)
class Resampled:
    """The means of models over users, and over the users of each resample."""

    means: Mapping[Pair, Doubles]
    """(model, other) to [COMPARED], the model's means over the users whom both count."""
    resampled: Mapping[Pair, Doubles]
    """(model, other) to [resamples, COMPARED]."""

    def compare(self, model: str, other: str) -> dict[str, Comparison]:
        """Return model less other for each of COMPARED."""
        mine, theirs = (model, other), (other, model)
        return {
            name: compare(
                self.means[mine][at],
                self.resampled[mine][:, at],
                self.means[theirs][at],
                self.resampled[theirs][:, at],
            )
            for at, name in enumerate(COMPARED)
        }


def resample_lists(
    spark: SparkSession,
    sums: Mapping[str, ListSums],
    pairs: Sequence[Pair],
    num_resamples: int,
    seed: int,
) -> Resampled:
    """Return the means of each model, and of both models of each pair.

    Args:
        spark: The session whose tasks draw.
        sums: Model to its sums over all buckets; at least one user counts in each.
        pairs: Models to compare; at least one user counts in both.
        num_resamples: Resamples; they are the same in any run with this seed.
        seed: The run's seed.
    """
    users = np.unique(np.concatenate([one.users for one in sums.values()]))
    counted = {name: np.isin(users, one.users, assume_unique=True) for name, one in sums.items()}
    columns: list[Doubles] = []
    place: dict[tuple[str, bytes], int] = {}
    where: dict[Pair, int] = {}
    for model, other in [*((name, name) for name in sums), *pairs, *(p[::-1] for p in pairs)]:
        both = counted[model] & counted[other]
        key = (model, np.packbits(both).tobytes())
        if key not in place:  # models that count the same users share their sums
            place[key] = len(columns)
            columns.append(_columns(users, both, sums[model]))
        where[model, other] = place[key]
    table = np.concatenate(columns, axis=1)
    work = [
        (users[at : at + _SLICE], table[at : at + _SLICE]) for at in range(0, len(users), _SLICE)
    ]

    def draw(item: tuple[npt.NDArray[np.int64], Doubles]) -> Doubles:
        return resample_sums(*item, num_resamples, seed)

    drawn = spread(spark, work, len(work)).map(draw).collect()
    total = np.sum(drawn, axis=0).reshape(num_resamples, len(columns), 1 + len(COMPARED))
    means = np.stack([one[:, 1:].sum(axis=0) / one[:, 0].sum() for one in columns])
    # A resample of very few users can be empty; the figure itself then takes its place.
    weights = total[:, :, :1]
    empty = np.broadcast_to(means, (num_resamples, *means.shape)).copy()
    resampled = np.divide(total[:, :, 1:], weights, out=empty, where=weights > 0)
    return Resampled(
        {pair: means[at] for pair, at in where.items()},
        {pair: resampled[:, at] for pair, at in where.items()},
    )


def _columns(users: npt.NDArray[np.int64], both: npt.NDArray[np.bool_], sums: ListSums) -> Doubles:
    """Return [users, 1 + COMPARED]: whether a user counts, and the figures, 0 if not."""
    table = np.zeros((len(users), 1 + len(COMPARED)))
    order = np.argsort(sums.users)
    table[np.searchsorted(users, sums.users[order]), 1:] = sums.by_user[order]
    table[:, 0] = 1.0
    table[~both] = 0.0
    return table
