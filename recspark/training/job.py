"""The job of a rank: plain values, so that it can be sent to other processes and machines."""

from __future__ import annotations

from dataclasses import dataclass

from recspark.config import TrainConfig
from recspark.datasets.prepared import PreparedFacts
from recspark.datasets.signal import Signal


@dataclass(frozen=True, kw_only=True)
class TrainJob:
    """One training run. Every rank gets the same one."""

    model_name: str
    folder: str
    """The model's staging folder, which all ranks see."""
    train: tuple[str, ...]
    """The data sets to learn from: train, and in a refit valid too."""
    valid: str
    """The data set that decides when to stop."""
    train_rows: dict[int, int]
    """Bucket to rows to learn from, from the manifests."""
    valid_rows: dict[int, int]
    """Bucket to rows of valid."""
    facts: PreparedFacts
    """Of train."""
    checkpoints: str
    """The folder of the model's checkpoints, which all ranks see."""
    tensorboard: str
    """The folder of TensorBoard's event files."""
    train_id: str
    """Manifest id of train."""
    index_ids: dict[str, str]
    """Manifest ids of the user and movie index, which say whom the rows of the tables belong to."""
    settings: TrainConfig
    seed: int
    stop_after: int | None = None
    """Epochs after which training ends, in a refit; `settings.epochs` is that of the schedule."""
    signal: Signal | None = None
    """The weights of ratings, for models that rank and predict no ratings."""
    relevant_rating: float | None = None
    """The lowest rating by which a user liked a movie, for NDCG on valid; None: any rating."""
    run: str = ""
    """The run directory, for the attributes of users and movies."""
    num_cores: int | None = None
    """Cores per rank; None divides those of its machine among the ranks there."""
