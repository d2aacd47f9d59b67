"""Scores of whole blocks, movies × users, in the fastest way for each kind of model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from recspark.datasets.histories import Histories
from recspark.scoring.blended import BlendedModel
from recspark.scoring.corrected import CorrectedModel
from recspark.scoring.item_model import ItemModel
from recspark.scoring.predictors import (
    NOTHING,
    Block,
    BlockScorer,
    EffectModel,
    FactorModel,
    Floats,
    HistoryModel,
    Ints,
    ListModel,
    PairModel,
    UncertainModel,
)

# Pairs predicted at a time by a model that answers pair by pair.
_PAIRS = 1_000_000

Predict = Callable[[int, Ints, Ints], Floats]
"""Bucket, rows and movies → scores [pairs]; NaN for no answer."""


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

    predict: Predict
    candidates: Ints
    bucket: int
    rows: Ints

    def fill(self, movies: slice, into: Block) -> None:
        chosen = self.candidates[movies]
        step = max(1, _PAIRS // len(self.rows))
        for start in range(0, len(chosen), step):
            some = chosen[start : start + step]
            users = np.tile(self.rows, len(some))
            found = self.predict(self.bucket, users, np.repeat(some, len(self.rows)))
            found = np.where(np.isnan(found), NOTHING, found)
            into[start : start + step] = found.reshape(len(some), -1)


@dataclass(frozen=True)
class ByHistory:
    """By the histories of the users alone."""

    model: HistoryModel
    histories: Histories
    candidates: Ints

    def fill(self, movies: slice, into: Block) -> None:
        self.model.fill(self.histories, self.candidates[movies], into, NOTHING)


@dataclass(frozen=True)
class _Corrected:
    """By the base model's scores, corrected by the users' residuals."""

    model: CorrectedModel
    base: BlockScorer
    candidates: Ints
    bucket: int
    rows: Ints

    def fill(self, movies: slice, into: Block) -> None:
        self.base.fill(movies, into)
        self.model.correct_block(self.bucket, self.rows, self.candidates[movies], into)


@dataclass(frozen=True)
class _Cautious:
    """By other scores, less caution · standard deviation of the predicted mean."""

    scores: BlockScorer
    model: UncertainModel
    caution: float
    candidates: Ints
    bucket: int
    rows: Ints

    def fill(self, movies: slice, into: Block) -> None:
        self.scores.fill(movies, into)
        std = self.model.block_spread(self.bucket, self.rows, self.candidates[movies])
        into -= np.float32(self.caution) * std


class ScorerFactory:
    """Makes the scorers of one model for a fixed list of movies."""

    def __init__(self, model: PairModel, candidates: Ints, caution: float = 0.0) -> None:
        """Take the candidates' rows out of the model once.

        Args:
            model: An opened model.
            candidates: [candidates], `movie_index`.
            caution: Standard deviations of the predicted mean that a score is below it; above 0
                the model states them.
        """
        self._candidates = candidates
        self._factors: FactorModel | None = None
        self._corrected: tuple[CorrectedModel, ScorerFactory] | None = None
        self._items: ItemModel | None = None
        self._open: Callable[[int, Ints], BlockScorer] | None = None
        self._predict: Predict = model.predict
        self._caution = caution
        self._uncertain = model if caution and isinstance(model, UncertainModel) else None
        if isinstance(model, EffectModel):
            self._factors = model.as_factors()
        elif isinstance(model, FactorModel):
            self._factors = model
        elif isinstance(model, ItemModel):
            self._items = model
        elif isinstance(model, BlendedModel):
            self._factors, self._predict = model.as_factors(), model.score
        elif isinstance(model, ListModel):
            self._open = model.open_scorers(candidates)
        elif isinstance(model, CorrectedModel):
            self._corrected = model, ScorerFactory(model.base, candidates)
        if self._factors is not None:
            self._movies = self._factors.movies[candidates].astype(np.float32)

    def for_users(self, bucket: int, rows: Ints) -> BlockScorer:
        """Return the scorer of some users of one bucket.

        Args:
            bucket: The bucket.
            rows: [users], their rows in it.
        """
        scorer = self._make(bucket, rows)
        if self._uncertain is None:
            return scorer
        return _Cautious(scorer, self._uncertain, self._caution, self._candidates, bucket, rows)

    def _make(self, bucket: int, rows: Ints) -> BlockScorer:
        """Return the scorer without caution in blocks."""
        if self._factors is not None:
            users = self._factors.open_users(bucket)[rows].astype(np.float32)
            return _ByProduct(self._movies, np.ascontiguousarray(users.T))
        if self._open is not None:
            return self._open(bucket, rows)
        if self._corrected is not None:
            model, base = self._corrected
            scorer = base.for_users(bucket, rows)
            return _Corrected(model, scorer, self._candidates, bucket, rows)
        if self._items is not None:
            histories = self._items.open_histories(bucket).take(rows)
            return ByHistory(self._items, histories, self._candidates)
        return _ByPair(self._predict, self._candidates, bucket, rows)
