"""Raw files in byte ranges, cut so that every line belongs to exactly one range."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from recspark.ingest.netflix import header_movie, is_header
from recspark.ingest.sources import BOM, Source, open_raw, open_text
from recspark.packing import pack

PIECE_BYTES = 256 * 1024  # what is parsed at a time: a damaged line slows down no more than this
LOOK_BACK_BYTES = 64 * 1024


@dataclass(frozen=True)
class Range:
    """Bytes start … end-1 of a raw file; its lines are those that start there.

    Attributes:
        number: Position in the plan; ranges of a file follow each other.
        source: The file.
        start: First byte, counted in the file.
        end: First byte beyond; for compressed files both count compressed bytes and are the whole.
    """

    number: int
    source: Source
    start: int
    end: int


def plan_ranges(sources: Sequence[Source], split_bytes: int) -> list[list[Range]]:
    """Return the ranges for each task: large files are cut, small ones travel together.

    A compressed file cannot be cut and is one range.
    """
    ranges: list[Range] = []
    for source in sources:
        step = source.size if source.is_compressed else split_bytes
        for start in range(0, source.size, max(step, 1)):
            ranges.append(Range(len(ranges), source, start, min(start + step, source.size)))
    sizes = [one.end - one.start for one in ranges]
    return [[ranges[i] for i in run] for run in pack(sizes, split_bytes)]


def read_pieces(one: Range) -> Iterator[tuple[int, bytes]]:
    """Yield (offset, text) of a range in pieces of whole lines, about PIECE_BYTES each.

    The offset counts bytes of the (decompressed) file. A byte order mark is left out.
    """
    with open_text(one.source) as file:
        if one.source.is_compressed:
            yield from _cut(file, 0, None)
            return
        first = _next_line(file, one.start)
        if first < one.end:
            file.seek(first)
            yield from _cut(file, first, one.end)


def movie_in_force(one: Range) -> int | None:
    """Return the movie of the last header above a range's first line; None where there is none.

    The search goes backward in steps, so it reads about as far as that header is away.
    """
    if one.start == 0 or one.source.is_compressed:
        return None
    with open_raw(one.source) as file:
        below = _next_line(file, one.start)  # lines from here on have been looked at
        step = LOOK_BACK_BYTES
        while below > 0:
            start = max(0, below - step)
            file.seek(start)
            text = file.read(below - start)
            # The step may begin inside a line; unless a further line begins in it, look farther.
            whole = 0 if start == 0 else text.find(b"\n") + 1
            if start > 0 and whole in (0, len(text)):
                step *= 2
                continue
            for line in reversed(text[whole:].split(b"\n")) if b":" in text[whole:] else ():
                if is_header(line):
                    return header_movie(line.removeprefix(BOM))
            below = start + whole
    return None


def _next_line(file: BinaryIO, position: int) -> int:
    """Return where the first line at or after `position` starts (the file's end if none does)."""
    if position == 0:
        return 0
    file.seek(position - 1)
    rest = file.readline()
    return position - 1 + len(rest)


def _cut(file: BinaryIO, offset: int, end: int | None) -> Iterator[tuple[int, bytes]]:
    """Yield pieces of whole lines from the file's position on, those that start before `end`."""
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
