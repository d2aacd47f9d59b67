"""Each kind of saved model as a predictor for pairs of one bucket, in NumPy.

Row `user_index // num_buckets` of a bucket belongs to a user. NaN means that the
user or the movie has no rating in train.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt

from recspark.baselines import cosine_user
from recspark.datasets.histories import Histories
from recspark.datasets.train_buckets import TrainBuckets

Ints = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.floating[Any]]

Block = npt.NDArray[np.float32]

T = TypeVar("T")

# Buckets whose users a worker keeps mapped.
KEPT_BUCKETS = 4
# Pairs multiplied at a time: their factors stay in the processor's cache.
_CHUNK = 4096


# A score below all others: the model has no answer.
NOTHING = -np.inf


class HistoryModel(Protocol):
    """Scores candidates for users known only by what they rated."""

    def fill(self, histories: Histories, candidates: Ints, into: Block, nothing: float) -> None:
        """Write scores, [C, U]; ratings models give predictions that are not clipped.

        Args:
            histories: What the users rated, movies by the index of the model's run.
            candidates: [C], `movie_index`, ascending; all of them in train.
            into: Filled.
            nothing: Written where the model has no answer: for a history without a movie that it
                knows, all candidates.
        """
        ...

    def score_pairs(self, histories: Histories, rows: Ints, movies: Ints) -> Floats:
        """Return the scores of pairs, [pairs]; NaN where the model has no answer.

        Args:
            histories: What the users rated.
            rows: [pairs], users of the histories.
            movies: [pairs], `movie_index`, any.
        """
        ...


class BlockScorer(Protocol):
    """Fills blocks of scores for some users."""

    def fill(self, movies: slice, into: Block) -> None:
        """Write scores, [movies of the slice, users]; NOTHING where the model has no answer."""
        ...


class PairModel(Protocol):
    """A model that predicts the ratings of pairs."""

    def predict(self, bucket: int, rows: Ints, movies: Ints, times: Ints | None = None) -> Floats:
        """Return predictions [pairs] in rating units, not clipped; NaN where it has no answer.

        Args:
            bucket: The users' bucket.
            rows: [pairs], the users' rows in it.
            movies: [pairs], `movie_index`.
            times: [pairs], when each pair is rated: seconds since 1970, NO_TIME where that is
                unknown. None means unknown for all. Models without time ignore it.
        """
        ...


@runtime_checkable
class UncertainModel(PairModel, Protocol):
    """A model that also says how far off its predictions are."""

    def spread(
        self, bucket: int, rows: Ints, movies: Ints, times: Ints | None = None
    ) -> tuple[Floats, Floats]:
        """Return two standard deviations [pairs] each, in rating units; NaN as in `predict`.

        The first is that of the predicted mean: what the model does not know. The second is that of
        the rating itself, with its noise. Arguments as for `predict`.
        """
        ...

    def block_spread(self, bucket: int, rows: Ints, movies: Ints) -> npt.NDArray[np.float32]:
        """Return the first of `spread` for all pairs and no particular time, [movies, users].

        Args:
            bucket: The users' bucket.
            rows: [users], their rows in it; all of them in train.
            movies: [movies], `movie_index`; all of them in train.
        """
        ...


@runtime_checkable
class ListModel(PairModel, Protocol):
    """A model whose score of a movie depends on the user's scores of all others."""

    def open_scorers(self, candidates: Ints) -> Callable[[int, Ints], BlockScorer]:
        """Return what makes the scorer of some users, from their bucket and their rows in it.

        Args:
            candidates: [candidates], `movie_index`, the movies that are scored.
        """
        ...


@dataclass(frozen=True)
class FactorModel:
    """A prediction is the inner product of two rows."""

    movies: Floats
    """[M, K]"""
    open_users: Callable[[int], Floats]
    """Bucket to its users' rows, [users of the bucket, K]."""

    def predict(self, bucket: int, rows: Ints, movies: Ints, times: Ints | None = None) -> Floats:
        """See `PairModel`."""
        users = self.open_users(bucket)
        found = np.empty(len(rows), self.movies.dtype)
        for start in range(0, len(rows), _CHUNK):
            part = slice(start, start + _CHUNK)
            left, right = users.take(rows[part], axis=0), self.movies.take(movies[part], axis=0)
            np.einsum("ij,ij->i", left, right, out=found[part])
        return found


@dataclass(frozen=True)
class EffectModel:
    """The bias model: mean + user effect + movie effect; also the fallback of all models."""

    mean: float
    movie_effects: Floats
    """[M]"""
    open_users: Callable[[int], Floats]
    """Bucket to its users' effects, [users of the bucket]."""

    def predict(self, bucket: int, rows: Ints, movies: Ints, times: Ints | None = None) -> Floats:
        """See `PairModel`."""
        return self.mean + self.open_users(bucket)[rows] + self.movie_effects[movies]

    def as_factors(self) -> FactorModel:
        """Return the same as inner products: [mean + user effect, 1] · [1, movie effect]."""

        def open_users(bucket: int) -> Floats:
            effects = self.mean + self.open_users(bucket)
            return np.column_stack([effects, np.ones_like(effects)])

        ones = np.ones_like(self.movie_effects)
        return FactorModel(np.column_stack([ones, self.movie_effects]), open_users)


@dataclass(frozen=True)
class NeighborModel:
    """The cosine_user model. Every call streams over train, so send pairs in large blocks."""

    neighbors_path: str
    train: TrainBuckets
    num_buckets: int

    def predict(self, bucket: int, rows: Ints, movies: Ints, times: Ints | None = None) -> Floats:
        """See `PairModel`."""
        users = (rows * self.num_buckets + bucket).astype(np.int32)
        found: Floats = cosine_user.predict_bucket(
            bucket, users, movies.astype(np.int32), self.neighbors_path, self.train
        )
        return found


def keep_few(open_users: Callable[[int], T]) -> Callable[[int], T]:
    """Return the same function with a cache of the buckets used last."""
    return functools.lru_cache(maxsize=KEPT_BUCKETS)(open_users)
