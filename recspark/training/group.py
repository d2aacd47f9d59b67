"""The ranks of a training run as one group: this rank, its device, and sums over all ranks."""

# No `from __future__ import annotations` here: DDP inspects the types of its hook.

import contextlib
import os
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel

from recspark.config import TrainConfig
from recspark.models.batch_norm import BatchNorm

# A further thread pays off from this many rows in a rank's step. On MovieLens-100K with steps of
# 512 rows, two threads on two busy cores were five times slower than one.
ROWS_PER_THREAD = 4096
# Ranks may take very different times to read their buckets and to write their users.
READ_TIMEOUT = timedelta(minutes=30)


Value = TypeVar("Value")


@dataclass
class Group:
    """One rank's view of the group."""

    rank: int
    num_ranks: int
    device: torch.device
    steps: dist.ProcessGroup
    """For operations that all ranks do in step; times out after `train.timeout_seconds`."""
    norms: dist.ProcessGroup
    """For the sums of batch norms: they interleave with gradients' sums, in no common order."""
    seconds: float = 0.0
    """Time spent in sums over the ranks so far; on GPUs without DDP's, which overlap compute."""

    def sum(self, values: Tensor) -> Tensor:
        """Return the values summed over all ranks, the same on each."""
        return self._reduce(values, dist.ReduceOp.SUM)

    def max(self, values: Tensor) -> Tensor:
        """Return the largest of each value over all ranks, the same on each."""
        return self._reduce(values, dist.ReduceOp.MAX)

    def _reduce(self, values: Tensor, how: Any) -> Tensor:
        started = time.perf_counter()
        total = values.detach().to(self.device, copy=True)
        dist.all_reduce(total, op=how, group=self.steps)
        self.seconds += time.perf_counter() - started
        return total

    def broadcast(self, value: Value) -> Value:
        """Return rank 0's value (plain Python values) on every rank."""
        values = [value]
        dist.broadcast_object_list(values, src=0, device=self.device)
        return values[0]

    def barrier_without_timeout(self) -> None:
        """Return when all ranks have arrived, however long they took to read their buckets."""
        dist.barrier()

    def barrier(self) -> None:
        """Return when all ranks have arrived; a rank that hangs causes a timeout, as in a step."""
        dist.barrier(group=self.steps)

    def wrap(self, objective: nn.Module) -> nn.Module:
        """Return the objective with gradients that are summed over the ranks.

        DDP averages gradients over the ranks. Here a rank's loss is already divided by the rows of
        all ranks together, and ranks hold unequal shares of a step, so the gradient of the global
        loss is the plain sum. Batch norms get the group for their own sums.
        """
        for module in objective.modules():
            if isinstance(module, BatchNorm):
                module.group = self.norms
        if self.num_ranks == 1:
            return objective
        ids = [self.device] if self.device.type == "cuda" else None
        with warnings.catch_warnings():
            # torch 2.13 renames broadcast_buffers; earlier versions do not know the new name.
            warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)
            wrapped = DistributedDataParallel(
                objective, device_ids=ids, process_group=self.steps, broadcast_buffers=False
            )
        wrapped.register_comm_hook(self, _sum_gradients)
        return wrapped


def _sum_gradients(group: Group, bucket: dist.GradBucket) -> torch.futures.Future[Tensor]:
    started = time.perf_counter()
    work = dist.all_reduce(bucket.buffer(), op=dist.ReduceOp.SUM, group=group.steps, async_op=True)
    if group.device.type == "cpu":
        # Waiting costs little, as gradients come at the end, and it allows the sum to be timed.
        work.wait()
        group.seconds += time.perf_counter() - started
    return work.get_future().then(lambda future: future.value()[0])


@contextlib.contextmanager
def join_group(settings: TrainConfig, num_cores: int | None = None) -> Iterator[Group]:
    """Yield this process's view of the ranks that torchrun or a barrier task started.

    Args:
        settings: The train section.
        num_cores: Cores of this rank; None divides the machine's among its ranks.
    """
    device = _choose_device(settings.device)
    local_ranks = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    cores = num_cores or len(os.sched_getaffinity(0)) // local_ranks
    rows = settings.batch_size // int(os.environ["WORLD_SIZE"])
    torch.set_num_threads(max(1, min(cores, rows // ROWS_PER_THREAD)))
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=READ_TIMEOUT)
    try:
        timeout = timedelta(seconds=settings.timeout_seconds)
        steps, norms = (dist.new_group(timeout=timeout) for _ in range(2))
        yield Group(dist.get_rank(), dist.get_world_size(), device, steps, norms)
    finally:
        dist.destroy_process_group()


def _choose_device(wanted: str) -> torch.device:
    if wanted == "cpu" or (wanted == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
