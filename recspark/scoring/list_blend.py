"""A blend of lists: the z-scores that several models give a user's unseen movies, added.

A user's unseen movies are those with a rating in train that he has rated neither in train nor in
valid, whichever of them are asked for: restricting a list changes no order. Where a model has no
answer for one of them and another model has, its lowest score of them counts. Where it gives all of
them the same score, it adds 0.

Shape legend: P movies with a rating in train, U users.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from recspark.datasets.histories import Histories
from recspark.scoring.block_scorers import ScorerFactory
from recspark.scoring.predictors import NOTHING, Block, BlockScorer, Floats, Ints, PairModel

# Movies whose scores are held at a time, and users whose rows `predict` scores at a time: 4 bytes
# for each of both, three times.
BLOCK_MOVIES = 32_768
_USERS = 256
# A variance below this share of the mean square is rounding.
_FLAT = 1e-12

Doubles = npt.NDArray[np.float64]

ZScores = tuple[Block, npt.NDArray[np.bool_]]
"""What a member adds to the score of each movie, [P, U], and where it has an answer itself."""


@dataclass(frozen=True)
class Standard:
    """What makes z-scores of one model's scores: (score - mean) · scale, [U] each."""

    means: Doubles
    scales: Doubles
    """The model's weight over the standard deviation; 0 where all scores are equal."""
    floors: Doubles
    """The z-score of the lowest score."""


@runtime_checkable
class ScalingScorer(BlockScorer, Protocol):
    """A scorer of users that adds the scores of several models, each times a scale a user."""

    @property
    def scales(self) -> Doubles:
        """The scales, [models, users]; what else is added depends on the user alone."""
        ...


@dataclass(frozen=True)
class _Seen:
    """Movies that users have rated: place among the P, and place among the users, one a rating."""

    movies: Ints
    users: Ints
    num_users: int


@dataclass(frozen=True)
class ListBlendModel:
    """Σ weight · z-score of each member."""

    members: tuple[PairModel, ...]
    weights: tuple[float, ...]
    movies: Ints
    """[P], `movie_index` of the movies with a rating in train, ascending."""
    open_seen: Callable[[int], Histories]
    """Bucket to what its users rated in train and valid."""

    def predict(self, bucket: int, rows: Ints, movies: Ints, times: Ints | None = None) -> Floats:
        """See `PairModel`; scores, not ratings, at no particular time.

        All movies are scored for each user who is asked for, `_USERS` at a time.
        """
        users, place = np.unique(rows, return_inverse=True)
        makers = [ScorerFactory(member, self.movies) for member in self.members]
        parts = [users[start : start + _USERS] for start in range(0, len(users), _USERS)]
        found = [[one for one, _ in self._standards(makers, bucket, part)] for part in parts]
        total, is_answered = np.zeros(len(rows)), np.zeros(len(rows), bool)
        for number, member in enumerate(self.members):
            standards = [part[number] for part in found]
            means, scales, floors = (
                np.concatenate([getattr(one, name) for one in standards] or [np.zeros(0)])[place]
                for name in ("means", "scales", "floors")
            )
            scores = member.predict(bucket, rows, movies).astype(np.float64)
            is_known = ~np.isnan(scores)
            total += np.where(is_known, (scores - means) * scales, floors)
            is_answered |= is_known
        is_answered &= self._places(movies) >= 0
        return np.where(is_answered, total, np.nan)

    def open_scorers(self, candidates: Ints) -> Callable[[int, Ints], BlockScorer]:
        """See `ListModel`.

        Memory: 8 bytes for each user and movie with a rating in train; beyond BLOCK_MOVIES movies 8
        for each user and that many, and every member is asked twice.
        """
        makers = [ScorerFactory(member, self.movies) for member in self.members]
        places = self._places(candidates)
        if len(self.movies) <= BLOCK_MOVIES:
            return lambda bucket, rows: _WholeRows(*self._add_all(makers, bucket, rows), places)
        is_all = np.array_equal(candidates, self.movies)
        chosen = makers if is_all else [ScorerFactory(one, candidates) for one in self.members]

        def open_rows(bucket: int, rows: Ints) -> BlockScorer:
            standards = [one for one, _ in self._standards(makers, bucket, rows)]
            return _Sum([maker.for_users(bucket, rows) for maker in chosen], standards, places)

        return open_rows

    def open_z_scores(self) -> Callable[[int, Ints], list[ZScores]]:
        """Return what gives, for users of a bucket by their rows, what each member adds.

        Memory: 5 bytes for each user, movie with a rating in train, and member, and 20 more for
        one member at a time.
        """
        makers = [ScorerFactory(member, self.movies) for member in self.members]

        def find(bucket: int, rows: Ints) -> list[ZScores]:
            found = []
            for standard, scores in self._standards(makers, bucket, rows, len(self.movies)):
                has_answer = scores > NOTHING
                z_scores = np.where(has_answer, scores, 0) - standard.means
                z_scores *= standard.scales
                z_scores = np.where(has_answer, z_scores, standard.floors)
                found.append((z_scores.astype(np.float32), has_answer))
            return found

        return find

    def _add_all(
        self, makers: Sequence[ScorerFactory], bucket: int, rows: Ints
    ) -> tuple[Block, Doubles]:
        """Return the sums of all movies, [P, U], which fit in one block, and the scales."""
        total = np.full((len(self.movies), len(rows)), NOTHING, np.float32)
        before, scales = np.zeros(len(rows)), []
        for standard, scores in self._standards(makers, bucket, rows):
            before = _add(scores, standard, before, total)
            scales.append(standard.scales)
        return total, np.array(scales)

    def _standards(
        self,
        makers: Sequence[ScorerFactory],
        bucket: int,
        rows: Ints,
        height: int = BLOCK_MOVIES,
    ) -> Iterator[tuple[Standard, Block]]:
        """Yield of each member what standardises its scores, and its last block of scores.

        A block is overwritten by the next member's, and has at most `height` movies.
        """
        seen = self._find_seen(bucket, rows)
        block = np.empty((min(height, len(self.movies)), len(rows)), np.float32)
        for maker, weight in zip(makers, self.weights, strict=True):
            scorer = maker.for_users(bucket, rows)
            yield _measure(scorer, len(self.movies), seen, weight, block), block

    def _find_seen(self, bucket: int, rows: Ints) -> _Seen:
        histories = self.open_seen(bucket).take(rows)
        users = np.repeat(np.arange(len(rows)), np.diff(histories.starts))
        places = self._places(histories.movies)
        return _Seen(places[places >= 0], users[places >= 0], len(rows))

    def _places(self, movies: Ints) -> Ints:
        """Return the places of movies among the P; -1 for those without a rating in train."""
        places = np.searchsorted(self.movies, movies)
        is_known = np.take(self.movies, places, mode="clip") == movies
        return np.where(is_known, places, -1)


@dataclass(frozen=True)
class _WholeRows:
    """Sums that lie ready."""

    total: Block
    """[P, U]"""
    scales: Doubles
    """See `ScalingScorer`."""
    places: Ints
    """[candidates], among the P; -1 for none."""

    def fill(self, movies: slice, into: Block) -> None:
        """See `BlockScorer`."""
        places = self.places[movies]
        np.take(self.total, places, axis=0, out=into, mode="clip")
        into[places < 0] = NOTHING


@dataclass(frozen=True)
class _Sum:
    """Sums made block by block."""

    scorers: Sequence[BlockScorer]
    standards: Sequence[Standard]
    places: Ints
    """[candidates], among the P; -1 for none."""

    def fill(self, movies: slice, into: Block) -> None:
        """See `BlockScorer`."""
        scores, before = np.empty_like(into), np.zeros(into.shape[1])
        into[:] = NOTHING
        for scorer, standard in zip(self.scorers, self.standards, strict=True):
            scorer.fill(movies, scores)
            before = _add(scores, standard, before, into)
        into[self.places[movies] < 0] = NOTHING

    @property
    def scales(self) -> Doubles:
        """See `ScalingScorer`."""
        return np.array([standard.scales for standard in self.standards])


def _measure(
    scorer: BlockScorer, num_movies: int, seen: _Seen, weight: float, block: Block
) -> Standard:
    """Return what standardises the scores of unseen movies; `block` then holds the last scores."""
    from recspark.scoring import z_loops as loops

    counts, sums, squares = (np.zeros(seen.num_users) for _ in range(3))
    lowest = np.full(seen.num_users, np.inf)
    for first in range(0, num_movies, len(block)):
        part = block[: num_movies - first]
        scorer.fill(slice(first, first + len(part)), part)
        inside = (seen.movies >= first) & (seen.movies < first + len(part))
        at = seen.movies[inside] - first, seen.users[inside]
        kept = part[at]
        part[at] = NOTHING
        loops.add_moments(part, counts, sums, squares, lowest)
        part[at] = kept
    # Movies without an answer have the lowest score.
    lowest[counts == 0] = 0
    num_unseen = num_movies - np.bincount(seen.users, minlength=seen.num_users)
    size = np.maximum(num_unseen, 1)
    means = (sums + (num_unseen - counts) * lowest) / size
    mean_squares = (squares + (num_unseen - counts) * lowest**2) / size
    variances = mean_squares - means**2
    is_flat = variances <= _FLAT * mean_squares
    scales = np.where(is_flat, 0, weight / np.sqrt(np.where(is_flat, 1, variances)))
    return Standard(means, scales, (lowest - means) * scales)


def _add(scores: Block, standard: Standard, before: Doubles, into: Block) -> Doubles:
    """Add z-scores to sums [movies, U]; return the sum of the floors so far, [U]."""
    from recspark.scoring import z_loops as loops

    loops.add_scores(scores, standard.means, standard.scales, standard.floors, before, into)
    return before + standard.floors
