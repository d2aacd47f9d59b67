"""The output that a model should give for a rating, and the way from an output to a rating.

Shape legend: B rows of a batch, K distinct rating values.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

TargetKind = Literal["raw", "centered", "standardized", "one_of_k"]


@dataclass(frozen=True, kw_only=True)
class Target:
    """A transform of ratings, learned from train and saved with the model."""

    kind: TargetKind
    """raw: the rating; centered: minus the mean; standardized: also divided by the standard
    deviation; one_of_k: the rating's index among the values, with one output score per value."""
    mean: float = 0.0
    """Mean rating of train."""
    std: float = 1.0
    """Standard deviation of the ratings of train (> 0)."""
    values: tuple[float, ...] = ()
    """The distinct ratings of train, ascending; one_of_k only."""

    @property
    def num_outputs(self) -> int:
        """K for one_of_k, else 1: an output is then a [B] tensor."""
        return len(self.values) if self.kind == "one_of_k" else 1

    def encode(self, ratings: Tensor) -> Tensor:
        """Return the desired outputs for ratings [B]: float32 [B], or int64 classes."""
        if self.kind == "one_of_k":
            values = _on_device(self.values, ratings.device)
            return torch.bucketize(ratings, values).clamp_max(len(self.values) - 1)
        return (ratings - self.shift) / self.scale

    def decode(self, outputs: Tensor) -> Tensor:
        """Return ratings [B] for outputs [B], or the expected rating for scores [B, K]."""
        if self.kind == "one_of_k":
            values = _on_device(self.values, outputs.device)
            return torch.softmax(outputs.float(), dim=1) @ values
        return outputs * self.scale + self.shift

    @property
    def shift(self) -> float:
        """The rating for an output of 0 (rating units); not for one_of_k."""
        return 0.0 if self.kind == "raw" else self.mean

    @property
    def scale(self) -> float:
        """The change in rating per unit of output (rating units)."""
        return self.std if self.kind == "standardized" else 1.0


@functools.lru_cache(maxsize=8)
def _on_device(values: tuple[float, ...], device: torch.device) -> Tensor:
    """Return float32 [K], copied once: a copy to a GPU waits for it."""
    return torch.tensor(values, dtype=torch.float32, device=device)
