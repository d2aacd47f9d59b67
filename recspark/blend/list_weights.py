"""Weights of a blend of lists: equal ones, unless others make clearly better lists of valid.

Valid can judge only members that have not seen it. Compared are equal weights, each member alone,
each left out, and each with twice and four times the weight of the others. The best of them takes
the place of equal weights if its NDCG is higher by more than the 95 % interval of the difference
over the same users.

Shape legend: U users, M members, W weightings, H hits.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pyspark.sql import SparkSession

from recspark.arrays.ndcg import measure_ndcg
from recspark.arrays.user_buckets import users_of
from recspark.cluster.tasks import spread
from recspark.contract.paths import BLEND
from recspark.datasets.histories import Histories, read_histories
from recspark.recommend.top_n import RunningTop, padded
from recspark.scoring.list_blend import ListBlendModel, ZScores
from recspark.scoring.load import SavedModel, open_model, read_card
from recspark.scoring.predictors import NOTHING, Ints

Weights = tuple[float, ...]
Doubles = npt.NDArray[np.float64]

TOP_K = 10
MAX_USERS = 16_384
# Users and movies whose scores are held at a time, 5 bytes for each member and as many again.
BLOCK_CELLS = 1 << 23
_Z95 = 1.96


@dataclass(frozen=True)
class Choice:
    """What valid says.

    Attributes:
        weights: [M], 0 for a member that the blend does without.
        num_users: Users who were measured.
        ndcg: NDCG@10 of the chosen weights; NaN without users.
        gain: How much that is above equal weights.
        half_width: Of the 95 % interval of the gain.
    """

    weights: Weights
    num_users: int
    ndcg: float
    gain: float
    half_width: float


@dataclass(frozen=True)
class ValidLists:
    """What lists of valid are made and judged with; sent to tasks.

    Attributes:
        members: M models.
        movies: [movies], `movie_index` of those with a rating in train, ascending.
        valid: The data set.
        num_users: Users of the run.
        relevant: Ratings from it on show that a user liked the movie; None: all do.
    """

    members: tuple[SavedModel, ...]
    movies: Ints
    valid: str
    num_users: int
    relevant: float | None

    def measure(self, bucket: int, weightings: Sequence[Weights]) -> Doubles:
        """Return the NDCG@10 of the users of a bucket who liked a movie of valid, [U, W].

        Of many users every n-th is taken.
        """
        num_buckets = self.members[0].num_buckets
        sizes = {"num_users": self.num_users, "num_buckets": num_buckets}
        rated = read_histories([self.members[0].train.path], bucket, **sizes)
        held_out = read_histories([self.valid], bucket, **sizes)
        is_liked = held_out.ratings >= (-math.inf if self.relevant is None else self.relevant)
        liked = held_out.keep(is_liked & np.isin(held_out.movies, self.movies))
        stride = -(-self.num_users // MAX_USERS)
        is_taken = np.array(users_of(bucket, **sizes)) % stride == 0
        is_known = (np.diff(rated.starts) > 0) & (np.diff(liked.starts) > 0)
        rows = np.flatnonzero(is_taken & is_known)
        model = ListBlendModel(
            members=tuple(map(open_model, self.members)),
            weights=(1.0,) * len(self.members),
            movies=self.movies,
            open_seen=lambda _: rated,
        )
        find, step = model.open_z_scores(), max(1, BLOCK_CELLS // len(self.movies))
        figures = [np.zeros((0, len(weightings)))]
        for start in range(0, len(rows), step):
            some = rows[start : start + step]
            parts, seen, wanted = find(bucket, some), rated.take(some), liked.take(some)
            found = [self._judge(parts, seen, wanted, weights) for weights in weightings]
            figures.append(np.column_stack(found))
        return np.concatenate(figures)

    def _judge(
        self, parts: Sequence[ZScores], seen: Histories, liked: Histories, weights: Weights
    ) -> Doubles:
        """Return the NDCG@10 of some users' lists, [U]."""
        num_movies, num_users = parts[0][0].shape
        total = np.zeros((padded(num_movies), num_users), np.float32)
        has_answer = np.zeros(total.shape, bool)
        for (scores, mine), weight in zip(parts, weights, strict=True):
            if weight:
                total[:num_movies] += np.float32(weight) * scores
                has_answer[:num_movies] |= mine
        owners = np.repeat(np.arange(num_users), np.diff(seen.starts))
        has_answer[np.searchsorted(self.movies, seen.movies), owners] = False
        total[~has_answer] = NOTHING
        top = RunningTop(num_users, TOP_K)
        top.add(total, 0)
        users, ranks, places, _ = top.lists()
        counts = np.diff(liked.starts)
        cells = np.repeat(np.arange(num_users), counts) * num_movies
        cells += np.searchsorted(self.movies, liked.movies)
        is_hit = np.isin(users * num_movies + places, cells)
        return measure_ndcg(users[is_hit], ranks[is_hit], counts, TOP_K)


def choose_weights(spark: SparkSession, lists: ValidLists, buckets: Sequence[int]) -> Choice:
    """Return the weights for members of which `has_seen_valid` is false.

    One task a bucket; memory: BLOCK_CELLS.

    Args:
        spark: The session whose tasks rank.
        lists: The members and valid.
        buckets: Buckets of valid that have rows.
    """
    weightings = make_weightings(len(lists.members))
    run = functools.partial(_measure_buckets, lists=lists, weightings=weightings)
    parts = spread(spark, list(buckets), max(1, len(buckets))).mapPartitions(run).collect()
    return choose(weightings, np.concatenate([np.zeros((0, len(weightings))), *parts]))


def _measure_buckets(
    buckets: Iterator[int], *, lists: ValidLists, weightings: Sequence[Weights]
) -> Iterator[Doubles]:
    for bucket in buckets:
        yield lists.measure(bucket, weightings)


def make_weightings(num_members: int) -> list[Weights]:
    """Return what is compared, equal weights first."""
    equal = (1.0,) * num_members
    found = [equal]
    for member in range(num_members):
        found.append(tuple(float(one == member) for one in range(num_members)))
        for weight in (0.0, 2.0, 4.0):
            found.append((*equal[:member], weight, *equal[member + 1 :]))
    return list(dict.fromkeys(found))


def choose(weightings: Sequence[Weights], figures: Doubles) -> Choice:
    """Return the weighting of the highest mean if it is clearly above the first, else the first.

    Args:
        weightings: [W].
        figures: [U, W], NDCG of each user.
    """
    count = len(figures)
    if count < 2:
        return Choice(weightings[0], count, math.nan, 0.0, math.nan)
    means = figures.mean(axis=0)
    best = int(np.argmax(means))
    gains = figures[:, best] - figures[:, 0]
    half_width = _Z95 * float(gains.std(ddof=1)) / math.sqrt(count)
    if gains.mean() <= half_width:
        best, half_width = 0, math.nan
    gain = float(means[best] - means[0])
    return Choice(weightings[best], count, float(means[best]), gain, half_width)


def has_seen_valid(saved: SavedModel) -> bool:
    """Return whether a model, or one that it predicts with, learned from valid."""
    card = read_card(saved.folder)
    mine = bool(card.get("refit")) or card.get("algorithm") == BLEND
    return mine or any(map(has_seen_valid, saved.parts))
