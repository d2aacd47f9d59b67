"""Batch normalisation over the rows of all ranks (Ioffe and Szegedy 2015, algorithms 1 and 2).

Shape legend: B rows of a rank's part of a step, C columns.

torch's SyncBatchNorm runs on GPUs only. Here the ranks' parts may differ in size or be empty.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


class BatchNorm(nn.BatchNorm1d):
    """nn.BatchNorm1d whose statistics in training are those of the whole step.

    Every rank ends a step with the same running statistics. Each rank's loss must be a sum over
    its rows divided by the step's rows over all ranks, and gradients must be summed over the ranks.
    The gradients then equal those of one process that holds all rows.
    """

    group: dist.ProcessGroup | None = None
    """The ranks that take a step together; None normalises over this process's rows."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x [B, C] normalised, in the same dtype; all ranks of a group call it together.

        B = 0 is allowed. If a step has a single row over all ranks, the output is the bias.
        """
        if not self.training or (self.group is None and len(x) > 1):
            return super().forward(x)
        assert self.running_mean is not None
        # Sums of squares lose digits far from 0: subtract the running mean, equal on all ranks.
        shifted = x.float() - self.running_mean
        count = shifted.new_tensor([len(x)])
        sums = torch.cat([shifted.sum(dim=0), shifted.square().sum(dim=0), count])
        if self.group is not None:
            sums = _Sum.apply(sums, self.group)
        count = sums[-1].detach().clamp_min(1)
        mean, mean_square = (sums[:-1] / count).chunk(2)
        variance = (mean_square - mean.square()).clamp_min(0)
        self._update_running(mean.detach(), variance.detach(), count)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return torch.addcmul(self.bias - mean * scale, shifted, scale).to(x.dtype)

    @torch.no_grad()
    def _update_running(self, shifted_mean: Tensor, variance: Tensor, count: Tensor) -> None:
        """Update the running statistics, as in torch with the unbiased variance."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.num_batches_tracked.add_(1)
        self.running_mean.add_(self.momentum * shifted_mean)
        unbiased = variance * (count / (count - 1).clamp_min(1))
        self.running_var.lerp_(unbiased, self.momentum)


class _Sum(torch.autograd.Function):
    """Sums a tensor over a group, on every rank; the backward pass sums the gradient likewise."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, group: dist.ProcessGroup) -> Tensor:
        ctx.group = group
        total = tensor.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        total = gradients[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total, group=ctx.group)
        return total, None
