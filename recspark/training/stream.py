"""The feed that reads a rank's ratings again in each epoch, in bounded memory.

Each bucket is a separate stream. An epoch shuffles the bucket's row groups, fills a buffer with as
many as it holds, shuffles the rows in the buffer, and empties it before it fills the next. All of
this depends on (seed, epoch, bucket) alone. It is less random than the resident feed, as rows of
one buffer stay together. But `prepare` stores the rows of a bucket in a random order, so they are a
random sample, from another combination of row groups in each epoch. If a buffer holds a whole
bucket, every order is equally likely.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from recspark.arrays.packing import pack
from recspark.arrays.user_buckets import Shard
from recspark.files.parquet import RowGroup
from recspark.training.batches import Batch
from recspark.training.plan import StepPlan
from recspark.training.prefetch import copy_ahead, next_ahead, run_ahead
from recspark.training.seeds import make_generator
from recspark.training.stored import Columns

ROW_BYTES = 12
# Threads that fill buffers; a GPU takes rows faster than one thread reads them.
READERS = 4

ReadGroup = Callable[[RowGroup], Columns]


class StreamingBatches:
    """Batches made ahead by one thread, from buffers that others fill.

    Half of the memory is for the buffers: each bucket has one in use and one that is being filled.
    It is divided as if one rank had all buckets, so that the order does not depend on the number of
    ranks. The other half is for batches that are ready. A buffer holds at least one row group, so
    the feed needs at least two row groups per bucket (12 bytes per row).
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
            on_close: Called by `close`, when the files are no longer needed.
        """
        self._groups, self._read_group = groups, read_group
        self._plan, self._shard, self._device = plan, shard, device
        self._buffer_rows = memory_bytes // 4 // ROW_BYTES // shard.num_buckets
        num_rows = sum(group.num_rows for each in groups.values() for group in each)
        step_rows = 1 + num_rows // max(1, plan.num_steps)
        self._depth = max(2, memory_bytes // 2 // ROW_BYTES // step_rows)
        self._on_close = on_close
        self._current_epoch: Generator[Batch, None, None] | None = None

    def epoch_steps(self, epoch: int, first_step: int = 0) -> Iterator[Batch]:
        """Yield the rank's part of each step; see `Batches`.

        Raises:
            TrainingError: Twice a row group's number of rows differed from its file's footer.
        """
        self._end_epoch()
        ready = run_ahead(self._make_steps(epoch, first_step), self._depth)
        self._current_epoch = ready
        try:
            yield from copy_ahead(ready, self._device)
        finally:
            ready.close()

    def close(self) -> None:
        """End the current epoch and its thread, and release the files."""
        self._end_epoch()
        self._on_close()

    def _end_epoch(self) -> None:
        if self._current_epoch is not None:
            self._current_epoch.close()
            self._current_epoch = None

    def _make_steps(self, epoch: int, first_step: int) -> Generator[Batch, None, None]:
        with ThreadPoolExecutor(READERS, "feed reader") as readers:
            streams = [
                self._read_bucket(readers, epoch, first_step, bucket, offset)
                for bucket, offset in self._shard.offsets.items()
            ]
            for _ in range(first_step, self._plan.num_steps):
                pieces = [piece for stream in streams for piece in next(stream)]
                yield _concatenate(pieces, is_pinned=self._device.type == "cuda")

    def _read_bucket(
        self,
        readers: ThreadPoolExecutor,
        epoch: int,
        first_step: int,
        bucket: int,
        offset: int,
    ) -> Iterator[list[Columns]]:
        """Yield a bucket's rows of each step, in one or more pieces."""
        plan = self._plan
        skip = plan.start(first_step, bucket)
        buffers = next_ahead(readers, self._fill_buffers(epoch, bucket, offset, skip))
        columns, place = _NO_ROWS, 0
        for step in range(first_step, plan.num_steps):
            pieces, missing = [], plan.start(step + 1, bucket) - plan.start(step, bucket)
            while missing:
                if place == len(columns[0]):
                    columns, place = next(buffers), 0
                piece = _slice_rows(columns, place, place + missing)
                pieces.append(piece)
                place += len(piece[0])
                missing -= len(piece[0])
            yield pieces or [_NO_ROWS]

    def _fill_buffers(self, epoch: int, bucket: int, offset: int, skip: int) -> Iterator[Columns]:
        """Yield a bucket's rows buffer by buffer, without the first `skip`.

        Buffers that are skipped entirely are not read; this works because each has its own seed.
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


def _slice_rows(columns: Columns, start: int, end: int) -> Columns:
    users, movies, ratings = columns
    return users[start:end], movies[start:end], ratings[start:end]


def _join(pieces: Sequence[Columns]) -> Columns:
    if len(pieces) == 1:
        return pieces[0]
    users, movies, ratings = zip(*pieces, strict=True)
    return np.concatenate(users), np.concatenate(movies), np.concatenate(ratings)


def _concatenate(pieces: Sequence[Columns], *, is_pinned: bool) -> Batch:
    """Return a copy of the rows, in memory that a GPU can read by itself if it is pinned."""
    num_rows = sum(len(users) for users, _, _ in pieces)
    batch = (
        torch.empty(num_rows, dtype=torch.int32, pin_memory=is_pinned),
        torch.empty(num_rows, dtype=torch.int32, pin_memory=is_pinned),
        torch.empty(num_rows, dtype=torch.float32, pin_memory=is_pinned),
    )
    for column, parts in zip(batch, zip(*pieces, strict=True), strict=True):
        np.concatenate(parts, out=column.numpy())
    return batch
