"""The specification of a model: enough to build it again, stored as JSON in the model's card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from recspark.config import TrainConfig
from recspark.models.target import Target


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """The hyper-parameters of all architectures; each uses those that it needs."""

    num_movies: int
    """M, rows of the movie table."""
    target: Target
    """What the model's outputs mean."""
    embedding_size: int = 32
    """F, factors per user and movie."""
    init: Literal["normal", "uniform"] = "normal"
    """Distribution of initial factors, around 0."""
    init_scale: float = 0.05
    """Standard deviation of the normal, half the width of the uniform distribution."""
    layers: tuple[str, ...] = ()
    """Hidden layers, e.g. `dropout 0.3`, `dense 512`, `relu`, `batch_norm`; see layers.py."""
    samples: int = 1
    """T, samples of the posterior that bayesian_mf stores."""

    @classmethod
    def from_settings(cls, settings: TrainConfig, *, num_movies: int, target: Target) -> ModelSpec:
        """Return the spec of a model to train."""
        return cls(
            num_movies=num_movies,
            target=target,
            embedding_size=settings.embedding_size,
            init=settings.init,
            init_scale=settings.init_scale,
            layers=tuple(settings.layers),
            samples=settings.sampler.samples,
        )

    @classmethod
    def from_card(cls, values: Mapping[str, Any]) -> ModelSpec:
        """Return the spec that `to_card` wrote."""
        target = {**values["target"], "values": tuple(values["target"]["values"])}
        return cls(**{**values, "target": Target(**target), "layers": tuple(values["layers"])})

    def to_card(self) -> dict[str, Any]:
        """Return the spec as JSON values."""
        return asdict(self)

    def draw(self, num_rows: int, num_columns: int, generator: torch.Generator) -> Tensor:
        """Return random initial factors, float32 [num_rows, num_columns] on the CPU."""
        rows = torch.empty(num_rows, num_columns)
        if self.init == "normal":
            return rows.normal_(std=self.init_scale, generator=generator)
        return rows.uniform_(-self.init_scale, self.init_scale, generator=generator)
