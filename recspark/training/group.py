"""The ranks of a training run as one group: this rank, its device, and sums over all ranks.

Gradients are summed after the backward pass, all tensors of the module as one flat vector, and not
by DistributedDataParallel, for three reasons. A module has few tensors, so there is little to
overlap. Ranks hold unequal shares of a step, and DDP averages over ranks. And its buckets' sums
would interleave with those of batch norm, in no common order: here one collective is in flight at
any time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch import distributed as dist

from recspark.config import TrainConfig
from recspark.training.device import choose_device, find_place

# Ranks may take very different times to read their buckets.
READ_TIMEOUT = timedelta(minutes=30)


Value = TypeVar("Value")


@dataclass
class Group:
    """One rank's view of the group."""

    rank: int
    num_ranks: int
    device: torch.device
    steps: dist.ProcessGroup | None
    """For operations that all ranks do in step; times out after `train.timeout_seconds`."""

    def sum(self, values: Tensor) -> Tensor:
        """Return the values summed over all ranks, the same on each."""
        return self._reduce(values, dist.ReduceOp.SUM)

    def max(self, values: Tensor) -> Tensor:
        """Return the largest of each value over all ranks, the same on each."""
        return self._reduce(values, dist.ReduceOp.MAX)

    def share_of(self, count: int) -> slice:
        """Return which of `count` rows are this rank's share."""
        return slice(*self._bounds(count)[self.rank : self.rank + 2])

    def sum_share(self, values: Tensor) -> Tensor:
        """Return this rank's share of values [rows, columns], summed over all ranks.

        All ranks pass the same shape. Each row is summed by one rank, so this moves half the bytes
        of `sum`.
        """
        if self.num_ranks == 1:
            return values
        bounds = self._bounds(len(values))
        sizes = [stop - start for start, stop in pairwise(bounds)]
        mine = sizes[self.rank]
        parts = torch.empty((self.num_ranks * mine, *values.shape[1:]), dtype=values.dtype)
        parts = parts.to(self.device)
        dist.all_to_all_single(
            *(parts, values.to(self.device), [mine] * self.num_ranks, sizes), group=self.steps
        )
        return parts.unflatten(0, (self.num_ranks, mine)).sum(0)

    def _bounds(self, count: int) -> list[int]:
        return [count * rank // self.num_ranks for rank in range(self.num_ranks + 1)]

    def sum_gradients(self, gradients: list[Tensor]) -> None:
        """Sum the gradients over all ranks in place, as one vector.

        A rank's loss is already divided by the rows of all ranks together, so the gradient of the
        global loss is the plain sum. All ranks pass tensors of the same shapes and one dtype.
        """
        if self.num_ranks == 1:
            return
        if len(gradients) == 1:
            self._reduce_in_place(gradients[0], dist.ReduceOp.SUM)
            return
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        self._reduce_in_place(flat, dist.ReduceOp.SUM)
        parts = flat.split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def _reduce(self, values: Tensor, how: Any) -> Tensor:
        total = values.detach().to(self.device, copy=True)
        self._reduce_in_place(total, how)
        return total

    def _reduce_in_place(self, values: Tensor, how: Any) -> None:
        if self.num_ranks == 1:
            return
        dist.all_reduce(values, op=how, group=self.steps)

    def broadcast(self, value: Value) -> Value:
        """Return rank 0's value (plain Python values) on every rank, without the timeout."""
        values = [value]
        dist.broadcast_object_list(values, src=0)
        return values[0]

    def barrier_without_timeout(self) -> None:
        """Return when all ranks have arrived, however long they took to read their buckets."""
        dist.barrier()

    def barrier(self) -> None:
        """Return when all ranks have arrived; a rank that hangs causes a timeout, as in a step."""
        dist.barrier(group=self.steps)


@contextlib.contextmanager
def join_group(settings: TrainConfig) -> Iterator[Group]:
    """Yield this process's view of the ranks that torchrun or a barrier task started.

    The ranks meet over gloo, agree on their devices, and then make the group of the steps, over
    NCCL on GPUs. Waits without the timeout stay on gloo: NCCL aborts a process that waits too long.

    Args:
        settings: The train section; `device` and `timeout_seconds` matter here.

    Raises:
        ConfigError: There is no GPU for each rank, see `recspark.training.device`.
    """
    place = find_place(settings.device)
    dist.init_process_group("gloo", timeout=READ_TIMEOUT)
    can_end = True
    try:
        places = [place] * dist.get_world_size()
        dist.all_gather_object(places, place)
        device = choose_device(settings.device, places)
        timeout = timedelta(seconds=settings.timeout_seconds)
        if device.type == "cuda":
            torch.cuda.set_device(device)
            steps = dist.new_group(timeout=timeout, backend="nccl", device_id=device)
            can_end = False
        else:
            steps = dist.new_group(timeout=timeout)
        yield Group(dist.get_rank(), dist.get_world_size(), device, steps)
        can_end = True
    finally:
        # After a failure NCCL would wait for sums that never end; the process ends soon anyway.
        if can_end:
            dist.destroy_process_group()
