"""Work done ahead: by a thread of its own, and for the device that trains."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from queue import Full, Queue
from typing import TypeVar

import torch

from recspark.training.batches import Batch

Item = TypeVar("Item")

STOP_SECONDS = 0.05


def run_ahead(items: Generator[Item, None, None], depth: int) -> Generator[Item, None, None]:
    """Yield what a generator yields that a thread works through, `depth` ahead at most.

    What it raises is raised here. However this generator ends, that one is closed and the thread
    has ended by then; an item being made is waited for.
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
        except BaseException as error:  # the consumer is the one to hear of it
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


def copy_ahead(batches: Iterator[Batch], device: torch.device) -> Iterator[Batch]:
    """Yield host batches on the device, each copied while the one before it is trained on.

    On a GPU: from pinned memory, on a stream of its own. On the CPU batches pass as they are.
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
                users.pin_memory().to(device, non_blocking=True),
                movies.pin_memory().to(device, non_blocking=True),
                ratings.pin_memory().to(device, non_blocking=True),
            )
        if arrived is not None:
            yield _hand_over(arrived, device)
    if waiting is not None:
        torch.cuda.current_stream(device).wait_stream(side)
        yield _hand_over(waiting, device)


def _hand_over(batch: Batch, device: torch.device) -> Batch:
    """Return the batch, its memory kept until the training stream is through with it."""
    for column in batch:
        column.record_stream(torch.cuda.current_stream(device))
    return batch
