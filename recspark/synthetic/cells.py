"""Groups users whose taste is alike, so that an upper limit of each group's pull is close."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats32 = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Cells:
    """C groups of N users; all users of a cell lie in a box of R dimensions."""

    order: NDArray[np.int32]
    """The users, cell after cell [N]."""
    num_users: Ints
    """Users of each cell [C]."""
    num_slots: Ints
    """Sum of the weights of each cell's users [C]."""
    slot_ends: Ints
    """The same up to and including each cell [C]."""
    middle: Floats32
    """Middle of each cell's box [R, C]."""
    half_width: Floats32
    """[R, C]"""


def build_cells(
    points: Floats32, weights: NDArray[np.int32], reach: Floats32, num_cells: int
) -> Cells:
    """Return at most `num_cells` cells.

    The cell with the largest weight times squared width is halved in the middle of its widest
    dimension, again and again (a k-d tree).

    Args:
        points: A point for each user [R, N].
        weights: Weight of each user [N].
        reach: Unit of width of each dimension [R].
        num_cells: Cells to make (1 or more); fewer if the others hold equal points only.
    """
    order = np.arange(len(weights), dtype=np.int32)
    heap = [_Cell.bound(points, weights, reach, order, 0, len(order))]
    while len(heap) < num_cells and heap[0].urgency < 0:
        cell = heapq.heappop(heap)
        users = order[cell.start : cell.stop]
        low, high = cell.low[cell.widest], cell.high[cell.widest]
        # The lower corner is always below and the upper one is not, however the middle is rounded.
        is_below = points[cell.widest, users] < max((low + high) / 2, np.nextafter(low, high))
        order[cell.start : cell.stop] = np.concatenate([users[is_below], users[~is_below]])
        middle = cell.start + int(is_below.sum())
        for start, stop in ((cell.start, middle), (middle, cell.stop)):
            heapq.heappush(heap, _Cell.bound(points, weights, reach, order, start, stop))
    cells = sorted(heap, key=lambda cell: cell.start)
    num_slots = np.array([cell.num_slots for cell in cells])
    low = np.stack([cell.low for cell in cells], axis=1)
    high = np.stack([cell.high for cell in cells], axis=1)
    return Cells(
        order=order,
        num_users=np.array([cell.stop - cell.start for cell in cells]),
        num_slots=num_slots,
        slot_ends=np.cumsum(num_slots),
        middle=(low + high) / 2,
        half_width=(high - low) / 2,
    )


@dataclass(frozen=True, order=True)
class _Cell:
    """A run of the order of users; the first in the order of cells is halved next."""

    urgency: float
    """-(weight · width²); 0 if all points are equal."""
    start: int
    stop: int
    num_slots: int
    widest: int
    low: Floats32
    high: Floats32

    @classmethod
    def bound(
        cls,
        points: Floats32,
        weights: NDArray[np.int32],
        reach: Floats32,
        order: NDArray[np.int32],
        start: int,
        stop: int,
    ) -> _Cell:
        users = order[start:stop]
        of_cell = points[:, users]
        low, high = of_cell.min(axis=1), of_cell.max(axis=1)
        widths = (high - low) * reach
        num_slots = int(weights[users].sum(dtype=np.int64))
        urgency = -num_slots * float(widths.max()) ** 2
        return cls(urgency, start, stop, num_slots, int(widths.argmax()), low, high)
