"""The optimisers: torch's for whole tensors, and the numbers that lazy updates of rows share.

"Lazy" means that a user without a rating in a step keeps the row and its optimiser state, as in
torch.optim.SparseAdam. Textbook Adam moves every row in every step: at 480,189 users × 65 columns
that is 1 GB of traffic for a step that needs a fraction of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recspark.config import TrainConfig
from recspark.models.rating_model import RatingModel

BETAS = (0.9, 0.999)
EPSILON = 1e-8


def make_optimiser(
    model: RatingModel, settings: TrainConfig, tables: Sequence[Tensor] = ()
) -> torch.optim.Optimizer:
    """Return torch's fused Adam or SGD over the module.

    torch adds weight_decay · w to the gradient; the gradient of an L2 term λ·w² is twice that.

    Args:
        model: The module.
        settings: The train section.
        tables: Whole tables with L2 of `train.reg`; they need not belong to the module.
    """
    dense = model.dense_weights()
    ids = {id(weight) for weight in (*dense, *tables)}
    others = [p for p in model.parameters() if id(p) not in ids]
    groups = [
        {"params": dense, "weight_decay": 2 * settings.weight_decay},
        {"params": list(tables), "weight_decay": 2 * settings.reg},
        {"params": others, "weight_decay": 0.0},
    ]
    groups = [one for one in groups if one["params"]]
    rate = settings.learning_rate
    if settings.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=rate, momentum=settings.momentum, fused=True)
    return torch.optim.Adam(groups, lr=rate, betas=BETAS, eps=EPSILON, fused=True)


@dataclass(frozen=True)
class Update:
    """The numbers of one lazy update; the same for Adam and for SGD with momentum.

    Adam (Kingma and Ba 2015, algorithm 1) with the bias corrections folded into rate and epsilon:
    m += (1 - decay_mean)(g - m), s += (1 - decay_square)(g² - s), row -= rate · m / (√s + epsilon).
    SGD as in torch.optim.SGD: v ← momentum · v + g, row -= rate · v.
    """

    is_adam: bool
    rate: float
    decay: float
    """Adam's decay of the mean, or the momentum of SGD."""
    epsilon: float

    @classmethod
    def of(cls, settings: TrainConfig, learning_rate: float, step: int) -> Update:
        """Return the update of a step, counted from 1."""
        if settings.optimizer == "sgd":
            return cls(False, learning_rate, settings.momentum, 0.0)
        decay_mean, decay_square = BETAS
        root = float((1 - decay_square**step) ** 0.5)
        rate = learning_rate * root / (1 - decay_mean**step)
        return cls(True, rate, decay_mean, EPSILON * root)

    def for_loops(self) -> tuple[bool, np.float32, np.float32, np.float32]:
        """Return the numbers in the order in which compiled loops take them."""
        return self.is_adam, np.float32(self.rate), np.float32(self.decay), np.float32(self.epsilon)


def make_memory(rows: Tensor, settings: TrainConfig) -> dict[str, Tensor]:
    """Return the optimiser state of lazily updated rows, by name; zeros like `rows`."""
    names = ("velocity",) if settings.optimizer == "sgd" else ("mean", "square")
    return {name: empty_table(rows.shape, rows.device).zero_() for name in names}


def memory_arrays(memory: dict[str, Tensor]) -> tuple[np.ndarray, np.ndarray]:
    """Return an optimiser's state as the arrays (first, second) of the loops; SGD has one only."""
    arrays = [table.numpy() for table in memory.values()]
    return arrays[0], arrays[-1]


def empty_table(shape: Sequence[int], device: torch.device) -> Tensor:
    """Return an uninitialised float32 table, on the CPU in large pages where the kernel has them.

    NumPy asks for them and torch does not. Rows taken at random then cost a third less time.
    """
    if device.type == "cpu":
        return torch.from_numpy(np.empty(shape, np.float32))
    return torch.empty(*shape, device=device)
