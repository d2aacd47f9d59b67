"""Settings of the models that PyTorch trains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from recspark.checks import require


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Models that PyTorch trains on one or more ranks."""

    architecture: Literal["biased_mf"] | None = None
    """The model that a preset stands for; null where the preset is a baseline."""
    embedding_size: int = 32
    """Factors per user and movie (count)."""
    init_std: float = 0.05
    """Standard deviation of the initial embeddings (rating units)."""
    epochs: int = 30
    """Most passes over train (count)."""
    patience: int = 3
    """Epochs without a better validation RMSE before training stops (count)."""
    batch_size: int = 8192
    """Rows in one step over all ranks (count)."""
    learning_rate: float = 0.01
    """Adam's step size in the first epoch (> 0)."""
    learning_rate_decay: float = 1.0
    """Factor on the step size from one epoch to the next (above 0, up to 1; 1 keeps it)."""
    reg: float = 0.02
    """L2 weight on the embeddings and biases that a row uses, per row (0 or more)."""
    num_ranks: int = 1
    """Training processes (count); each takes the buckets b with b mod num_ranks = rank."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where ranks compute: auto takes CUDA where it is, with NCCL, else the CPU with gloo."""
    timeout_seconds: int = 60
    """How long a rank waits for the others before the job fails (seconds)."""

    def __post_init__(self) -> None:
        for name in ("embedding_size", "epochs", "batch_size", "num_ranks", "timeout_seconds"):
            require(getattr(self, name) >= 1, f"train.{name}", getattr(self, name), "≥ 1")
        require(self.patience >= 1, "train.patience", self.patience, "≥ 1")
        require(self.init_std >= 0, "train.init_std", self.init_std, "≥ 0")
        require(self.learning_rate > 0, "train.learning_rate", self.learning_rate, "> 0")
        decay = self.learning_rate_decay
        require(0 < decay <= 1, "train.learning_rate_decay", decay, "above 0, up to 1")
        require(self.reg >= 0, "train.reg", self.reg, "≥ 0")
