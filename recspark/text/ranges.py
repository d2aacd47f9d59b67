"""Raw files in byte ranges, cut so that every line belongs to exactly one range."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from recspark.arrays.packing import pack
from recspark.text.sources import BOM, Source, is_splittable, open_raw, open_text

PIECE_BYTES = 256 * 1024  # parsed at a time: a damaged line slows down no more text than this


@dataclass(frozen=True)
class Range:
    """Bytes start … end-1 of a raw file, and the lines that start within them.

    Attributes:
        number: Position in the plan; ranges of a file follow each other.
        source: The file.
        start: Offset of the first byte in the file.
        end: Offset after the last byte. A file that cannot be cut is one range of its stored bytes.
    """

    number: int
    source: Source
    start: int
    end: int


def plan_ranges(sources: Sequence[Source], split_bytes: int) -> list[list[Range]]:
    """Return the ranges for each task: large files are cut, small ones share a task.

    A file that is compressed or in UTF-16 cannot be cut and is one range.
    """
    ranges: list[Range] = []
    for source in sources:
        is_whole = source.size <= split_bytes or not is_splittable(source)
        step = source.size if is_whole else split_bytes
        for start in range(0, source.size, max(step, 1)):
            ranges.append(Range(len(ranges), source, start, min(start + step, source.size)))
    sizes = [one.end - one.start for one in ranges]
    return [[ranges[i] for i in run] for run in pack(sizes, split_bytes)]


def read_pieces(one: Range) -> Iterator[tuple[int, bytes]]:
    """Yield (offset, text) of a range in pieces of whole lines, about PIECE_BYTES each.

    The offset counts bytes of the (decompressed) file. A byte order mark is left out.
    """
    if one.start == 0 and one.end == one.source.size:
        with open_text(one.source) as file:
            yield from _cut(file, 0, None)
        return
    with open_raw(one.source) as file:
        first = next_line(file, one.start)
        if first < one.end:
            file.seek(first)
            yield from _cut(file, first, one.end)


def next_line(file: BinaryIO, position: int) -> int:
    """Return where the first line at or after `position` starts; the file's end if none does."""
    if position == 0:
        return 0
    file.seek(position - 1)
    rest = file.readline()
    return position - 1 + len(rest)


def _cut(file: BinaryIO, offset: int, end: int | None) -> Iterator[tuple[int, bytes]]:
    """Yield, from the file's position on, pieces of the whole lines that start before `end`."""
    while end is None or offset < end:
        wanted = PIECE_BYTES if end is None else min(PIECE_BYTES, end - offset)
        piece = file.read(wanted)
        if not piece:
            return
        if not piece.endswith(b"\n"):
            piece += file.readline()
        text = piece.removeprefix(BOM) if offset == 0 else piece
        yield offset + len(piece) - len(text), text
        offset += len(piece)
