"""Dropout with masks that are cheap on a CPU (Srivastava and others 2014).

torch draws a mask on the CPU on one thread, one double a value. That takes as long as a product
with 512 × 512 weights. Here one 64-bit number gives four values of a mask.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

_LEVELS = 1 << 16
# Below, calling Python in both directions costs more than torch's own mask.
_MIN_VALUES = 1 << 16


class Dropout(nn.Dropout):
    """nn.Dropout whose share is rounded to 1/65536 for large inputs on the CPU.

    Values kept are scaled to match.

    Masks depend on the seed of torch's default generator, as in nn.Dropout, but are other ones.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return x [any shape] with a share `p` of its values 0; outside training, x itself."""
        if not self.training or x.device.type != "cpu" or x.numel() < _MIN_VALUES:
            return super().forward(x)
        result: Tensor = _Drop.apply(x, round(self.p * _LEVELS))
        return result


class _Drop(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, dropped_levels: int) -> Tensor:
        mask = _draw_mask(x, dropped_levels)
        ctx.save_for_backward(mask)
        return x * mask

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (mask,) = ctx.saved_tensors
        return gradients[0] * mask, None


def _draw_mask(x: Tensor, dropped_levels: int) -> Tensor:
    """Return a mask like x: 0 with a chance of dropped_levels in 65536, else 1 / (1 - chance)."""
    words = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
    levels = words.view(torch.int16)[: x.numel()].view(x.shape)  # -32768 … 32767, each as likely
    # Written as x's type: a bool mask costs more to apply than to draw.
    mask = torch.ge(levels, dropped_levels - _LEVELS // 2, out=torch.empty_like(x))
    return mask.mul_(_LEVELS / (_LEVELS - dropped_levels))
