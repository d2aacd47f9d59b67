"""A blend of models: the weighted sum of what its members predict."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recspark.scoring.fallback import fill
from recspark.scoring.predictors import (
    EffectModel,
    FactorModel,
    Floats,
    Ints,
    PairModel,
    keep_few,
)

Answers = tuple[Floats, npt.NDArray[np.bool_]]
"""A member's prediction of each pair, from its fallback where it has none of its own, and whether
it is its own; [pairs] each."""


def weigh(members: Sequence[Answers], weights: Iterable[float], intercept: float) -> Floats:
    """Return intercept + Σ weight · prediction, [pairs]; NaN where every member fell back.

    The weights were learned from answers. Where there is none, the fallback says more than its
    multiple by the sum of the weights.
    """
    total = np.full(len(members[0][0]), intercept, np.float64)
    for (prediction, _), weight in zip(members, weights, strict=True):
        total += weight * prediction
    is_answered = np.any([is_own for _, is_own in members], axis=0)
    return np.where(is_answered, total, np.nan)


@dataclass(frozen=True)
class BlendedModel:
    """Predicts as the blend job does on test: each member with its fallback, clipped, weighed."""

    members: tuple[PairModel, ...]
    weights: tuple[float, ...]
    intercept: float
    fallback: EffectModel
    scale: tuple[float, float] = (-np.inf, np.inf)
    """Lower and upper end of the rating scale."""

    def predict(self, bucket: int, rows: Ints, movies: Ints, times: Ints | None = None) -> Floats:
        """See `PairModel`."""
        answers = [self._ask(one, bucket, rows, movies, times) for one in self.members]
        return weigh(answers, self.weights, self.intercept)

    def score(self, bucket: int, rows: Ints, movies: Ints) -> Floats:
        """Return the same from members that are not clipped, for lists: fewer movies tie."""
        return BlendedModel(self.members, self.weights, self.intercept, self.fallback).predict(
            bucket, rows, movies
        )

    def as_factors(self) -> FactorModel | None:
        """Return `score` as inner products where each member is one, for pairs that all answer.

        [weight · user factors of each member, intercept] · [movie factors of each member, 1].
        """
        parts = [_factors(member) for member in self.members]
        members = [part for part in parts if part is not None]
        if len(members) < len(parts):
            return None

        def open_users(bucket: int) -> Floats:
            tables = [
                weight * part.open_users(bucket)
                for part, weight in zip(members, self.weights, strict=True)
            ]
            return np.column_stack([*tables, np.full(len(tables[0]), self.intercept)])

        tables = [part.movies for part in members]
        movies = np.column_stack([*tables, np.ones(len(tables[0]))])
        return FactorModel(movies, keep_few(open_users))

    def _ask(
        self, member: PairModel, bucket: int, rows: Ints, movies: Ints, times: Ints | None
    ) -> Answers:
        # float32 as in the members' own predictions.
        found = np.array(member.predict(bucket, rows, movies, times), np.float32)
        gaps = np.isnan(found)
        found[gaps] = fill(self.fallback, bucket, rows[gaps], movies[gaps])[0]
        return np.clip(found, *self.scale), ~gaps


def _factors(model: PairModel) -> FactorModel | None:
    if isinstance(model, EffectModel):
        return model.as_factors()
    return model if isinstance(model, FactorModel) else None
