"""Prefetching: batches made in a separate thread, and copied to the device ahead of time."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from concurrent.futures import Executor
from queue import Full, Queue
from typing import TypeVar, cast

import torch

from recspark.training.batches import Batch

Item = TypeVar("Item")

STOP_SECONDS = 0.05


def run_ahead(items: Generator[Item, None, None], depth: int) -> Generator[Item, None, None]:
    """Yield the items of a generator that a thread runs, at most `depth` items ahead.

    What `items` raises is raised here. However this generator ends, `items` is then closed and the
    thread has ended; an item that is being made is waited for.
    """
    queue: Queue[tuple[Item | None, BaseException | None]] = Queue(depth)
    stopped = threading.Event()

    def put(item: Item | None, error: BaseException | None = None) -> bool:
        while not stopped.is_set():
            try:
                queue.put((item, error), timeout=STOP_SECONDS)
            except Full:
                continue
            return True
        return False

    def work() -> None:
        try:
            for item in items:
                if not put(item):
                    return
            put(None, StopIteration())
        except BaseException as error:  # raised again in the consumer
            put(None, error)
        finally:
            items.close()

    thread = threading.Thread(target=work, name="feed", daemon=True)
    thread.start()
    try:
        while True:
            item, error = queue.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            assert item is not None
            yield item
    finally:
        stopped.set()
        thread.join()


def next_ahead(threads: Executor, items: Iterator[Item]) -> Iterator[Item]:
    """Yield the items of an iterator; a thread makes the next one meanwhile."""
    done = object()
    coming = threads.submit(next, items, done)
    while (item := coming.result()) is not done:
        coming = threads.submit(next, items, done)
        yield cast(Item, item)


def copy_ahead(batches: Iterator[Batch], device: torch.device) -> Iterator[Batch]:
    """Yield host batches on the device; each is copied during training on the one before it.

    Batches for a GPU are in pinned memory, and copied on a separate stream. On the CPU nothing is
    copied.
    """
    if device.type != "cuda":
        yield from batches
        return
    side = torch.cuda.Stream(device)
    waiting: Batch | None = None
    for users, movies, ratings in batches:
        arrived, waiting = waiting, None
        if arrived is not None:
            torch.cuda.current_stream(device).wait_stream(side)
        with torch.cuda.stream(side):
            waiting = (
                users.to(device, non_blocking=True),
                movies.to(device, non_blocking=True),
                ratings.to(device, non_blocking=True),
            )
        if arrived is not None:
            yield _hand_over(arrived, device)
    if waiting is not None:
        torch.cuda.current_stream(device).wait_stream(side)
        yield _hand_over(waiting, device)


def _hand_over(batch: Batch, device: torch.device) -> Batch:
    """Return the batch, with its memory kept until the training stream has finished with it."""
    for column in batch:
        column.record_stream(torch.cuda.current_stream(device))
    return batch
