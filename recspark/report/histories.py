"""How the training of each model went, from the history beside its weights."""

from __future__ import annotations

import json
import posixpath
from dataclasses import dataclass
from typing import Any

from recspark.contract.paths import HISTORY
from recspark.errors import DataError, describe
from recspark.files import storage
from recspark.report.inventory import Inventory


@dataclass(frozen=True)
class Training:
    """One trained model.

    Attributes:
        model: Its name.
        architecture: The name of its architecture.
        epochs: One record per epoch: `epoch` (from 0), `train_rmse`, `valid_rmse` (None without
            valid), `learning_rate`, `rows_per_second`, `seconds` and more.
        kept_epoch: The epoch whose weights were kept.
        seconds: Seconds of the whole stage.
    """

    model: str
    architecture: str
    epochs: list[dict[str, Any]]
    kept_epoch: int
    seconds: float


def read_trainings(inventory: Inventory) -> list[Training]:
    """Return the models that jobs/train.py trained and that have a history, by name.

    Raises:
        DataError: A history is damaged.
    """
    found = []
    for name, manifest in inventory.models().items():
        path = posixpath.join(inventory.paths.model(name), HISTORY)
        if manifest.stage == "train" and storage.exists(path):
            epochs = _read_history(path)
            found.append(
                Training(
                    model=name,
                    architecture=str(manifest.counts.get("architecture", "")),
                    epochs=epochs,
                    kept_epoch=int(manifest.counts.get("best_epoch", len(epochs) - 1)),
                    seconds=manifest.seconds,
                )
            )
    return [training for training in found if training.epochs]


def _read_history(path: str) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in storage.read_bytes(path).decode().splitlines()]
    except ValueError as error:
        raise DataError(
            describe(
                path,
                found=f"a damaged line ({error})",
                expected="one JSON object per epoch",
                remedy="Train the model again: jobs/train.py with --force.",
            )
        ) from error
