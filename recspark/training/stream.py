"""The feed that reads a rank's ratings anew each epoch, in bounded memory.

Each bucket is a stream of its own. An epoch takes its row groups in a fresh order, fills a buffer
with as many as it holds, permutes the buffer and empties it before the next; all of it by (seed,
epoch, bucket). That is less random than the resident feed: rows of one buffer stay together. But
`prepare` stores the rows of a bucket in a random order, so what stays together is a random sample,
another combination of row groups each time. Where a buffer holds a whole bucket, every order is
equally likely.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

import numpy as np
import torch

from recspark.arrays.packing import pack
from recspark.arrays.user_buckets import Shard
from recspark.files.parquet import RowGroup
from recspark.training.batches import Batch
from recspark.training.plan import StepPlan
from recspark.training.prefetch import copy_ahead, run_ahead
from recspark.training.seeds import make_generator
from recspark.training.stored import Columns

ROW_BYTES = 12

ReadGroup = Callable[[RowGroup], Columns]


class StreamingBatches:
    """Batches read ahead by one thread.

    Half of the memory is for the buffers, shared out as if one rank had all buckets, so that the
    order does not depend on the number of ranks; the other half is for batches that are ready. A
    buffer holds one row group at least, so the least memory is a row group a bucket (12 bytes a
    row), beside the one that is read.
    """

    def __init__(
        self,
        groups: Mapping[int, Sequence[RowGroup]],
        read_group: ReadGroup,
        plan: StepPlan,
        shard: Shard,
        device: torch.device,
        memory_bytes: int,
        on_close: Callable[[], None],
    ) -> None:
        """Take a rank's row groups; nothing is read yet.

        Args:
            groups: The row groups of each of the rank's buckets, with the plan's rows in total.
            read_group: Returns a row group's columns, or raises.
            plan: The steps of an epoch.
            shard: The rank's buckets and users.
            device: Where batches go.
            memory_bytes: For buffers and ready batches of a rank that has all buckets.
            on_close: Called by `close`; the files are no longer needed.
        """
        self._groups, self._read_group = groups, read_group
        self._plan, self._shard, self._device = plan, shard, device
        self._buffer_rows = memory_bytes // 2 // ROW_BYTES // shard.num_buckets
        num_rows = sum(group.num_rows for each in groups.values() for group in each)
        step_rows = 1 + num_rows // max(1, plan.num_steps)
        self._depth = max(2, memory_bytes // 2 // ROW_BYTES // step_rows)
        self._on_close = on_close
        self._under_way: Generator[Batch, None, None] | None = None

    def epoch_steps(self, epoch: int, first_step: int = 0) -> Iterator[Batch]:
        """Yield the rank's part of each step; see `Batches`.

        Raises:
            TrainingError: A row group gave another number of rows than its file says, twice.
        """
        self._end_epoch()
        ready = run_ahead(self._make_steps(epoch, first_step), self._depth)
        self._under_way = ready
        try:
            yield from copy_ahead(ready, self._device)
        finally:
            ready.close()

    def close(self) -> None:
        """End the epoch that is under way with its thread, and let go of the files."""
        self._end_epoch()
        self._on_close()

    def _end_epoch(self) -> None:
        if self._under_way is not None:
            self._under_way.close()
            self._under_way = None

    def _make_steps(self, epoch: int, first_step: int) -> Generator[Batch, None, None]:
        streams = [
            self._read_bucket(epoch, first_step, bucket, offset)
            for bucket, offset in self._shard.offsets.items()
        ]
        for _ in range(first_step, self._plan.num_steps):
            pieces = [piece for stream in streams for piece in next(stream)]
            yield _concatenate(pieces)

    def _read_bucket(
        self, epoch: int, first_step: int, bucket: int, offset: int
    ) -> Iterator[list[Columns]]:
        """Yield a bucket's rows of each step, in one or more pieces."""
        plan = self._plan
        buffers = self._fill_buffers(epoch, bucket, offset, plan.start(first_step, bucket))
        columns, place = _NO_ROWS, 0
        for step in range(first_step, plan.num_steps):
            pieces, missing = [], plan.start(step + 1, bucket) - plan.start(step, bucket)
            while missing:
                if place == len(columns[0]):
                    columns, place = next(buffers), 0
                piece = _cut(columns, place, place + missing)
                pieces.append(piece)
                place += len(piece[0])
                missing -= len(piece[0])
            yield pieces or [_NO_ROWS]

    def _fill_buffers(self, epoch: int, bucket: int, offset: int, skip: int) -> Iterator[Columns]:
        """Yield a bucket's rows buffer by buffer, without the first `skip`.

        Buffers that are skipped whole are not read: each has a seed of its own.
        """
        seed, groups = self._plan.seed, self._groups.get(bucket, ())
        order = torch.randperm(len(groups), generator=make_generator(seed, "groups", epoch, bucket))
        chosen = [groups[number] for number in order.tolist()]
        for number, run in enumerate(pack([g.num_rows for g in chosen], self._buffer_rows)):
            num_rows = sum(chosen[position].num_rows for position in run)
            if skip >= num_rows:
                skip -= num_rows
                continue
            users, movies, ratings = _join([self._read_group(chosen[place]) for place in run])
            generator = make_generator(seed, "buffer", epoch, bucket, number)
            shuffled = torch.randperm(num_rows, generator=generator).numpy()[skip:]
            skip = 0
            user_rows = (users // self._shard.num_buckets + offset).astype(np.int32, copy=False)
            yield user_rows.take(shuffled), movies.take(shuffled), ratings.take(shuffled)


_NO_ROWS: Columns = (np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.float32))


def _cut(columns: Columns, start: int, end: int) -> Columns:
    users, movies, ratings = columns
    return users[start:end], movies[start:end], ratings[start:end]


def _join(pieces: Sequence[Columns]) -> Columns:
    if len(pieces) == 1:
        return pieces[0]
    users, movies, ratings = zip(*pieces, strict=True)
    return np.concatenate(users), np.concatenate(movies), np.concatenate(ratings)


def _concatenate(pieces: Sequence[Columns]) -> Batch:
    users, movies, ratings = zip(*pieces, strict=True)
    # Always copies, so a batch never shares memory with a buffer.
    return (
        torch.from_numpy(np.concatenate(users)),
        torch.from_numpy(np.concatenate(movies)),
        torch.from_numpy(np.concatenate(ratings)),
    )
