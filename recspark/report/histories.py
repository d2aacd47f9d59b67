"""How the training of each model went, from the history beside its weights."""

from __future__ import annotations

import json
import posixpath
from dataclasses import dataclass
from typing import Any

from recspark.config.train import AUTOENCODERS
from recspark.contract.paths import HISTORY
from recspark.datasets.prepared import PreparedFacts
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
            valid), `learning_rate`, `ratings_per_second`, `seconds` and more.
        kept_epoch: The epoch whose weights were kept.
        seconds: Seconds of the whole stage.
    """

    model: str
    architecture: str
    epochs: list[dict[str, Any]]
    kept_epoch: int
    seconds: float

    @property
    def ranks_only(self) -> bool:
        """Whether the model ranks, and its records have `valid_ndcg` instead of RMSEs."""
        return "valid_ndcg" in self.epochs[0]

    @property
    def num_cold(self) -> int:
        """Ratings of valid without a prediction of the model, which its RMSE leaves out."""
        return int(self.epochs[self.kept_epoch].get("valid_cold") or 0)


def read_trainings(inventory: Inventory) -> list[Training]:
    """Return the models that jobs/train.py trained and that have a history, by name.

    Raises:
        DataError: A history is damaged.
    """
    found = []
    for name, manifest in inventory.models().items():
        path = posixpath.join(inventory.paths.model(name), HISTORY)
        if manifest.stage == "train" and storage.exists(path):
            architecture = str(manifest.counts.get("architecture", ""))
            per_row = _ratings_per_row(architecture, inventory)
            epochs = [
                {**one, "ratings_per_second": one["rows_per_second"] * per_row}
                for one in _read_history(path)
            ]
            found.append(
                Training(
                    model=name,
                    architecture=architecture,
                    epochs=epochs,
                    kept_epoch=int(manifest.counts.get("best_epoch", len(epochs) - 1)),
                    seconds=manifest.seconds,
                )
            )
    return [training for training in found if training.epochs]


def _ratings_per_row(architecture: str, inventory: Inventory) -> float:
    """Return the ratings of train in one row of a step: a user for autoencoders, else a rating."""
    if architecture not in AUTOENCODERS:
        return 1.0
    train = inventory.get("train")
    assert train is not None  # a run with models has train
    return train.num_rows / PreparedFacts.of(train).num_users


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
