"""Ratings of rows in pieces of similar length, so that their sums are batched matrix products.

A row's ratings are cut into pieces of at most PIECE. Pieces of similar length are padded to the
same length and make a batch. The sums of a row are those of its pieces.

Shape legend: R rows, N ratings, P pieces of a batch or chunk.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from recspark.training.row_table import Longs, RowTable

PIECE = 1024
"""Ratings whose products are added in float32 before they go to float64."""
BATCH_RATINGS = 1 << 18
"""Ratings multiplied at a time, padding included."""
CHUNK_BYTES = 1 << 26
"""Bytes of the sums of pieces that are held at a time. GPUs want few and large operations; on a CPU
a quarter of this and of the batches is twice as fast."""


@dataclass(frozen=True)
class Batch:
    """Pieces that are padded to the same length.

    Attributes:
        rows: int64 [P], of the table.
        begins: int64 [P], the place of the first rating.
        lengths: int64 [P], at least 1.
        longest: The common length.
    """

    rows: Tensor
    begins: Tensor
    lengths: Tensor
    longest: int


@dataclass(frozen=True)
class Chunk:
    """Rows from `first` to `stop`, whose sums are held at a time.

    Attributes:
        batches: Of their ratings.
        order: int64 [P], the pieces row by row, as their numbers in the order of the batches.
        offsets: int64 [rows], where each row's pieces begin in `order`.
    """

    first: int
    stop: int
    batches: tuple[Batch, ...]
    order: Tensor
    offsets: Tensor

    def add_pieces(self, sums: list[Tensor], size: int) -> Tensor:
        """Return float64 [rows, size, size], the sums of rows from those of the batches' pieces."""
        shape = self.stop - self.first, size, size
        if not sums:
            return self.offsets.new_zeros(shape, dtype=torch.float64)
        flat = torch.cat(sums).flatten(1).double()
        # Adds in the order of the pieces, so that a sum is the same each time.
        return functional.embedding_bag(self.order, flat, self.offsets, mode="sum").view(shape)


def cut_into_chunks(table: RowTable, device: torch.device) -> list[Chunk]:
    """Return all rows of a table; the chunks of movies hold the same rows on every rank."""
    limit = max(1, CHUNK_BYTES // (8 * (table.num_columns + 1) ** 2))
    ends = np.cumsum(np.maximum(1, -(-table.counts // PIECE)))
    cuts = np.searchsorted(ends, np.arange(0, ends[-1] if len(ends) else 0, limit))
    bounds = np.unique([*cuts.tolist(), len(ends)]).tolist()
    return [_make_chunk(table.starts, *span, device) for span in pairwise(bounds)]


def _make_chunk(starts: Longs, first: int, stop: int, device: torch.device) -> Chunk:
    counts = np.diff(starts[first : stop + 1])
    pieces = -(-counts // PIECE)
    offsets = np.cumsum(pieces) - pieces
    rows = np.repeat(np.arange(first, stop), pieces)
    number = np.arange(len(rows)) - np.repeat(offsets, pieces)
    begins = starts[rows] + number * PIECE
    lengths = np.minimum(starts[rows + 1] - begins, PIECE)
    order = np.argsort(lengths, kind="stable")
    batches = []
    for span in _similar(lengths[order]):
        chosen = order[span]
        parts = [torch.from_numpy(one[chosen]).to(device) for one in (rows, begins, lengths)]
        batches.append(Batch(parts[0], parts[1], parts[2], int(lengths[chosen[-1]])))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return Chunk(
        *(first, stop, tuple(batches)),
        *(torch.from_numpy(one).to(device) for one in (place, offsets)),
    )


def _similar(lengths: npt.NDArray[np.int64]) -> list[slice]:
    """Return spans of ascending lengths that differ by a quarter at most, small enough each."""
    _, exponents = np.frexp(lengths)
    steps = np.maximum(1, 1 << np.maximum(exponents - 3, 0))
    starts = np.flatnonzero(np.diff(-(-lengths // steps) * steps, prepend=0))
    spans = []
    for start, stop in pairwise([*starts.tolist(), len(lengths)]):
        step = max(1, BATCH_RATINGS // int(lengths[stop - 1]))
        spans += [slice(at, min(at + step, stop)) for at in range(start, stop, step)]
    return spans
