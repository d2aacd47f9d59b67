"""Models that score movies for users whom they were not fitted on, from histories alone.

Shape legend: U users, C candidates, K columns of factors.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from recspark.config import Config
from recspark.datasets.histories import Histories
from recspark.errors import ConfigError, describe
from recspark.scoring.item_model import ItemModel
from recspark.scoring.load import KEPT_MODELS, SavedModel, open_model, read_card
from recspark.scoring.predictors import Block, FactorModel, Floats, HistoryModel, Ints

FOLDED_IN = "ease, item_knn, ials, mult_vae, mf_als, bayesian_mf, popularity"
"""Presets of the models that answer for unknown users, for messages."""


@dataclass(frozen=True)
class FoldedFactors:
    """A score is the inner product of a movie's row and one made from the user's history."""

    movies: npt.NDArray[np.floating[Any]]
    """[M, K]; NaN for movies not in train."""
    fold_in: Callable[[Histories], npt.NDArray[np.floating[Any]]]
    """Histories to rows of users, [U, K]; NaN for none."""

    def fill(self, histories: Histories, candidates: Ints, into: Block, nothing: float) -> None:
        """See `HistoryModel`."""
        users = self.fold_in(histories).astype(np.float32)
        np.matmul(self.movies[candidates].astype(np.float32), users.T, out=into)
        into[np.isnan(into)] = nothing

    def score_pairs(self, histories: Histories, rows: Ints, movies: Ints) -> Floats:
        """See `HistoryModel`."""
        users = self.fold_in(histories)
        return FactorModel(self.movies, lambda _: users).predict(0, rows, movies)


@functools.lru_cache(maxsize=KEPT_MODELS)
def open_history_model(saved: SavedModel) -> HistoryModel:
    """Return a saved model ready to score histories; kept for the life of a Python worker.

    Raises:
        ConfigError: It does not answer for unknown users.
        DataError: As `open_model`.
    """
    model, card = open_model(saved), read_card(saved.folder)
    if isinstance(model, ItemModel):
        return model
    if isinstance(model, FactorModel) and "architecture" in card:
        from recspark.training.fold_in import open_fold_in

        return FoldedFactors(model.movies, open_fold_in(saved.folder, card))
    if isinstance(model, FactorModel) and card.get("algorithm") == "popularity":
        return FoldedFactors(model.movies, _same_for_all)
    raise _refuse(saved.folder, str(card.get("algorithm", card.get("architecture"))))


def _same_for_all(histories: Histories) -> npt.NDArray[np.float64]:
    """Return the rows of popularity, [U, 1]; NaN for users of whom nothing is known."""
    return np.where(np.diff(histories.starts)[:, None] > 0, 1.0, np.nan)


def folds_in(settings: Config) -> bool:
    """Return whether the model that a config describes answers for unknown users."""
    by_torch = settings.train.architecture in ("mult_vae", "bayesian_mf")
    by_torch |= settings.train.optimizer in ("als", "ials")
    algorithm = settings.baseline.algorithm
    return algorithm in ("ease", "item_knn", "popularity") or (algorithm is None and by_torch)


def require_fold_in(models: Mapping[str, Config], where: str) -> None:
    """Check models that are to answer for unknown users, by their settings, before any is fitted.

    Args:
        models: The models.
        where: The setting that asks for it.

    Raises:
        ConfigError: One does not.
    """
    for name, settings in models.items():
        if not folds_in(settings):
            raise _refuse(where, name)


def _refuse(where: str, name: str) -> ConfigError:
    return ConfigError(
        describe(
            where,
            found=f"{name}, which knows only the users that it was fitted on",
            expected=f"models that answer for unknown users: {FOLDED_IN}",
            remedy=f"Name such models only, without {name}.",
        )
    )
