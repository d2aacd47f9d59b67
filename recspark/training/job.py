"""What a rank is told: plain values, so that the job travels to other processes and machines."""

from __future__ import annotations

from dataclasses import dataclass

from recspark.config import TrainConfig


@dataclass(frozen=True, kw_only=True)
class TrainJob:
    """One training run. Every rank gets the same one."""

    model_name: str
    attempt: str
    """Names this run of the stage; the success marker repeats it."""
    folder: str
    """The model's staging folder, which all ranks see."""
    train: str
    """The data set to learn from."""
    valid: str
    """The data set that decides when to stop."""
    train_rows: dict[int, int]
    """Bucket to rows of train, from its manifest."""
    valid_rows: dict[int, int]
    """Bucket to rows of valid."""
    num_users: int
    num_movies: int
    num_buckets: int
    rating_mean: float
    """Mean rating of train."""
    rating_std: float
    """Standard deviation of the ratings of train."""
    rating_values: tuple[float, ...]
    """The different ratings of train, rising."""
    checkpoints: str
    """The folder of the model's checkpoints, which all ranks see."""
    tensorboard: str
    """The folder of TensorBoard's event files."""
    train_id: str
    """Manifest id of train."""
    index_ids: dict[str, str]
    """Manifest ids of the user and movie index: what the rows of the tables stand for."""
    settings: TrainConfig
    seed: int
    num_cores: int | None = None
    """Cores that are a rank's; None shares out those of its machine."""
