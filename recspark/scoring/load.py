"""Saved models, opened once in each Python worker."""

from __future__ import annotations

import functools
import posixpath
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from recspark.arrays.user_buckets import locate, users_of
from recspark.baselines.residual_neighbors import compute_residuals
from recspark.contract import schemas
from recspark.contract.paths import BLEND, LIST_BLEND, MODEL_CARD, SIGNAL_WEIGHTS
from recspark.datasets.histories import read_histories
from recspark.datasets.signal import Signal
from recspark.datasets.train_buckets import TrainBuckets, require_whole
from recspark.errors import ConfigError, DataError, describe
from recspark.files.json_files import require_json
from recspark.saved.arrays import read_movies, read_users
from recspark.saved.items import read_dense, read_sparse
from recspark.saved.residuals import Residuals, load_neighbors, load_residuals
from recspark.scoring.blended import BlendedModel
from recspark.scoring.corrected import CorrectedModel
from recspark.scoring.list_blend import ListBlendModel
from recspark.scoring.predictors import (
    EffectModel,
    FactorModel,
    Floats,
    Ints,
    NeighborModel,
    PairModel,
    keep_few,
)

# A blend scores with each of its members in turn.
KEPT_MODELS = 16


@dataclass(frozen=True)
class SavedModel:
    """Where a model lies, and its train; small and picklable, sent to every task."""

    folder: str
    id: str
    """Id of its manifest: a worker outlives a stage, and the folder may then hold another model."""
    num_buckets: int
    train: TrainBuckets = field(compare=False)
    """The train that it was fitted on."""
    valid: str = field(default="", compare=False)
    """Path of valid: models that rank know its ratings too if they were fitted on it."""
    parts: tuple[SavedModel, ...] = ()
    """The models that it predicts with: a blend's members and, last, its fallback; the members of
    a blend of lists; or the base model of residual neighbours."""

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders that a prediction reads: its own, and those of its parts."""
        return (self.folder, *(folder for part in self.parts for folder in part.folders))


@functools.lru_cache(maxsize=KEPT_MODELS)
def open_model(saved: SavedModel) -> PairModel:
    """Return a model ready to predict; kept for the life of a Python worker.

    Raises:
        DataError: A part of the model is missing or damaged, or its card names no known model.
    """
    card = read_card(saved.folder)
    if "architecture" in card:
        from recspark.scoring import trained

        return trained.open_model(saved.folder, card)
    algorithm = card.get("algorithm")
    if algorithm == BLEND:
        return _open_blend(saved, card)
    if algorithm == LIST_BLEND:
        return _open_list_blend(saved, card)
    if algorithm == "residual_neighbors":
        return CorrectedModel(
            base=open_model(saved.parts[0]),
            neighbors=load_neighbors(saved.folder),
            shrinkage=card["shrinkage"],
            open_residuals=functools.lru_cache(1)(functools.partial(load_residuals, saved.folder)),
        )
    if algorithm == "bias":
        return open_effects(saved)
    if algorithm == "als":
        return FactorModel(
            np.asarray(read_movies(saved.folder)),
            keep_few(functools.partial(read_users, saved.folder)),
        )
    if algorithm == "popularity":
        return open_popularity(saved.folder, saved.num_buckets, card["num_users"])
    if algorithm in ("ease", "item_knn"):
        return _open_items(saved, card)
    if algorithm == "cosine_user":
        require_whole(saved.train)
        neighbors = posixpath.join(saved.folder, schemas.NEIGHBORS.name)
        return NeighborModel(neighbors, saved.train, saved.num_buckets)
    raise DataError(
        describe(
            posixpath.join(saved.folder, MODEL_CARD),
            found=f"keys {sorted(card)} with algorithm {algorithm}",
            expected="an architecture or a known algorithm",
            remedy="Fit the model again with jobs/baseline.py or jobs/train.py.",
        )
    )


def find_known(saved: SavedModel) -> list[str]:
    """Return the paths of the ratings that a model was fitted on: train, and valid if refitted."""
    return [saved.train.path, *([saved.valid] if read_card(saved.folder).get("refit") else [])]


def _open_items(saved: SavedModel, card: dict[str, Any]) -> PairModel:
    from recspark.scoring.item_model import ItemModel

    dense = card["algorithm"] == "ease" and not card.get("num_neighbors")
    known = find_known(saved)
    sizes = {"num_users": card["num_users"], "num_buckets": saved.num_buckets}
    return ItemModel(
        weights=read_dense(saved.folder) if dense else read_sparse(saved.folder),
        signal=Signal.of_card(card[SIGNAL_WEIGHTS]),
        open_histories=keep_few(lambda bucket: read_histories(known, bucket, **sizes)),
    )


def _open_blend(saved: SavedModel, card: dict[str, Any]) -> BlendedModel:
    *members, fallback = saved.parts
    lowest, highest = card["scale"]
    return BlendedModel(
        members=tuple(open_model(member) for member in members),
        weights=tuple(member["weight"] for member in card["members"]),
        intercept=card["intercept"],
        fallback=open_effects(fallback),
        scale=(lowest, highest),
    )


def _open_list_blend(saved: SavedModel, card: dict[str, Any]) -> ListBlendModel:
    known = [saved.train.path, saved.valid]
    sizes = {"num_users": card["num_users"], "num_buckets": saved.num_buckets}
    return ListBlendModel(
        members=tuple(open_model(member) for member in saved.parts),
        weights=tuple(member["weight"] for member in card["members"]),
        movies=np.flatnonzero(read_movies(saved.folder)[:, 0] > 0),
        open_seen=keep_few(lambda bucket: read_histories(known, bucket, **sizes)),
    )


def open_valid(saved: SavedModel, bucket: int) -> Floats | None:
    """Return what a refitted model's first fit predicted for a bucket of valid, in stored order.

    None if the model has never seen valid. Otherwise its own predictions of valid would flatter it.
    Those of residual neighbours are not corrected yet, see `correct_valid`.
    """
    found = _open_first_fit(saved, bucket)
    return None if found is None else found[1]


def _open_first_fit(saved: SavedModel, bucket: int) -> tuple[Floats, Floats] | None:
    """Return the first fit's predictions of a bucket of train and valid; None: there was one fit.

    Those of residual neighbours are those of their base model.
    """
    card = read_card(saved.folder)
    if card.get("algorithm") == "residual_neighbors":
        return _open_first_fit(saved.parts[0], bucket)
    if "refit" not in card:
        return None
    from recspark.scoring import trained

    return trained.open_first_fit(saved.folder, bucket)


def correct_valid(
    saved: SavedModel, bucket: int, users: Ints, movies: Ints, predictions: Floats
) -> Floats:
    """Return predictions of `open_valid` [pairs], corrected if the model has residual neighbours.

    Residuals are what the first fit left of train: those of a model that has seen valid would say
    what it learned there.
    """
    model = open_model(saved)
    if not isinstance(model, CorrectedModel):
        return predictions
    rows = locate(users, saved.num_buckets)[1]
    of_base = correct_valid(saved.parts[0], bucket, users, movies, predictions)
    first = replace(model, open_residuals=functools.partial(_first_residuals, saved))
    return first.correct(bucket, rows, movies, of_base)


@functools.lru_cache(maxsize=1)
def _first_residuals(saved: SavedModel, bucket: int) -> Residuals:
    """Return what the first fit of a base model left of a bucket of train."""
    found = _open_first_fit(saved, bucket)
    assert found is not None
    left = iter(found[0])

    def predict(_: int, rows: Ints, *__: Ints) -> Floats:
        """Return the next predictions: those of train are asked for once, in stored order."""
        return np.fromiter(left, np.float32, len(rows))

    num_rows = len(load_residuals(saved.folder, bucket).starts) - 1
    return compute_residuals(saved.train, bucket, predict, num_rows, saved.num_buckets)


def open_vectors(saved: SavedModel) -> Floats:
    """Return a model's embedding of each movie, [movies, any]; NaN for movies not in train.

    Raises:
        ConfigError: The model has no embeddings.
        DataError: As `open_model`.
    """
    card = read_card(saved.folder)
    if "architecture" in card:
        from recspark.scoring import trained

        return trained.open_vectors(saved.folder, card)
    if card.get("algorithm") == "als":
        return np.asarray(read_movies(saved.folder))[:, card.get("effect_columns", 0) :]
    raise ConfigError(
        describe(
            saved.folder,
            found=f"a {card.get('algorithm')} model, which has no embeddings",
            expected="als, ease, item_knn or a model of jobs/train.py",
            remedy="Name another model in similar.models.",
        )
    )


@functools.lru_cache(maxsize=1)
def open_effects(saved: SavedModel) -> EffectModel:
    """Return the bias model."""

    def open_users(bucket: int) -> Floats:
        return read_users(saved.folder, bucket)[:, 0]

    return EffectModel(
        mean=float(read_card(saved.folder)["mean"]),
        movie_effects=np.asarray(read_movies(saved.folder)[:, 0]),
        open_users=keep_few(open_users),
    )


def open_popularity(folder: str, num_buckets: int, num_users: int) -> FactorModel:
    """Return the popularity model: all users have the same row."""

    def open_users(bucket: int) -> Floats:
        return np.ones((len(users_of(bucket, num_users, num_buckets)), 1), np.float32)

    return FactorModel(np.asarray(read_movies(folder)), keep_few(open_users))


def read_card(model_dir: str) -> dict[str, Any]:
    """Return the model's card; a DataError names the remedy if it is missing or damaged."""
    card: dict[str, Any] = require_json(
        posixpath.join(model_dir, MODEL_CARD),
        expected="the card of a saved model",
        remedy="Fit the model again: jobs/baseline.py or jobs/train.py with --force.",
    )
    return card
