"""Scores of whole blocks, movies × users, in the fastest way for each kind of model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from recspark.recommend.top_n import NOTHING
from recspark.scoring.predictors import EffectModel, FactorModel, Ints, PairModel

# Pairs predicted at a time by a model that answers pair by pair.
_PAIRS = 1_000_000

Block = npt.NDArray[np.float32]


class BlockScorer(Protocol):
    """Fills blocks of scores for some users."""

    def fill(self, movies: slice, into: Block) -> None:
        """Write scores, [movies of the slice, users]; NOTHING where the model has no answer."""
        ...


@dataclass(frozen=True)
class _ByProduct:
    """By a matrix product; movies and users are all in train, so every pair has an answer."""

    movies: Block
    """[candidates, K]"""
    users: Block
    """[K, users]"""

    def fill(self, movies: slice, into: Block) -> None:
        np.matmul(self.movies[movies], self.users, out=into)


@dataclass(frozen=True)
class _ByPair:
    """By the model's own predictions, in batches."""

    model: PairModel
    candidates: Ints
    bucket: int
    rows: Ints

    def fill(self, movies: slice, into: Block) -> None:
        chosen = self.candidates[movies]
        step = max(1, _PAIRS // len(self.rows))
        for start in range(0, len(chosen), step):
            some = chosen[start : start + step]
            users = np.tile(self.rows, len(some))
            found = self.model.predict(self.bucket, users, np.repeat(some, len(self.rows)))
            found = np.where(np.isnan(found), NOTHING, found)
            into[start : start + step] = found.reshape(len(some), -1)


class ScorerFactory:
    """Makes the scorers of one model for a fixed list of movies."""

    def __init__(self, model: PairModel, candidates: Ints) -> None:
        """Take the candidates' rows out of the model once.

        Args:
            model: An opened model.
            candidates: [candidates], `movie_index`.
        """
        self._model = model.as_factors() if isinstance(model, EffectModel) else model
        self._candidates = candidates
        if isinstance(self._model, FactorModel):
            self._movies = self._model.movies[candidates].astype(np.float32)

    def for_users(self, bucket: int, rows: Ints) -> BlockScorer:
        """Return the scorer of some users of one bucket.

        Args:
            bucket: The bucket.
            rows: [users], their rows in it.
        """
        if isinstance(self._model, FactorModel):
            users = self._model.open_users(bucket)[rows].astype(np.float32)
            return _ByProduct(self._movies, np.ascontiguousarray(users.T))
        return _ByPair(self._model, self._candidates, bucket, rows)
