"""Raw files in byte ranges, cut so that every line belongs to exactly one range."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from recspark import storage
from recspark.ingest.netflix import header_movie, is_header
from recspark.storage import FileInfo
from recspark.tasks import pack

PIECE_BYTES = 256 * 1024  # what is parsed at a time: a damaged line slows down no more than this
LOOK_BACK_BYTES = 64 * 1024
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Range:
    """Bytes start … end-1 of a file; its lines are those that start there.

    Attributes:
        number: Position in the plan; ranges of a file follow each other.
        path: The file.
        start: First byte.
        end: First byte beyond; for compressed files both count compressed bytes and are the whole.
        is_compressed: Whether the file is read through gzip.
    """

    number: int
    path: str
    start: int
    end: int
    is_compressed: bool


def plan_ranges(files: list[FileInfo], split_bytes: int) -> list[list[Range]]:
    """Return the ranges for each task: large files are cut, small ones travel together.

    A compressed file cannot be cut and is one range.
    """
    ranges: list[Range] = []
    for file in files:
        is_compressed = file.path.endswith(".gz")
        step = file.size if is_compressed else split_bytes
        for start in range(0, file.size, max(step, 1)):
            end = min(start + step, file.size)
            ranges.append(Range(len(ranges), file.path, start, end, is_compressed))
    sizes = [one.end - one.start for one in ranges]
    return [[ranges[i] for i in run] for run in pack(sizes, split_bytes)]


def read_pieces(one: Range) -> Iterator[tuple[int, bytes]]:
    """Yield (offset, text) of a range in pieces of whole lines, about PIECE_BYTES each.

    The offset counts bytes of the (decompressed) file. A byte order mark is left out.
    """
    fs, path = storage.filesystem(one.path)
    with fs.open(path, "rb") as file:
        if one.is_compressed:
            with gzip.open(file) as stream:
                yield from _cut(stream, 0, None)
            return
        first = _next_line(file, one.start)
        if first < one.end:
            file.seek(first)
            yield from _cut(file, first, one.end)


def movie_in_force(one: Range) -> int | None:
    """Return the movie of the last header above a range's first line; None where there is none.

    The search goes backward in steps, so it reads about as far as that header is away.
    """
    if one.start == 0:
        return None
    fs, path = storage.filesystem(one.path)
    with fs.open(path, "rb") as file:
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
                    return header_movie(line.removeprefix(_BOM))
            below = start + whole
    return None


def _next_line(file: BinaryIO, position: int) -> int:
    """Return where the first line at or after `position` starts (the file's end if none does)."""
    if position == 0:
        return 0
    file.seek(position - 1)
    rest = file.readline()
    return position - 1 + len(rest)


def _cut(
    file: BinaryIO | gzip.GzipFile, offset: int, end: int | None
) -> Iterator[tuple[int, bytes]]:
    """Yield pieces of whole lines from the file's position on, those that start before `end`."""
    while end is None or offset < end:
        wanted = PIECE_BYTES if end is None else min(PIECE_BYTES, end - offset)
        piece = file.read(wanted)
        if not piece:
            return
        if not piece.endswith(b"\n"):
            piece += file.readline()
        text = piece.removeprefix(_BOM) if offset == 0 else piece
        yield offset + len(piece) - len(text), text
        offset += len(piece)
