"""Records whose quoted fields go over several lines, and files read so that none is cut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from recspark.arrays.packing import pack
from recspark.tables.lines import Lines
from recspark.tables.quotes import MAX_RECORD_BYTES, MAX_RECORD_LINES, Ending, Quoting
from recspark.text.ranges import PIECE_BYTES, Range
from recspark.text.sources import BOM, Source, open_text


def find_irregular(lines: Lines, quoting: Quoting) -> list[int]:
    """Return the lines with a quoted field that is not closed before a separator or their end."""
    quote = quoting.quote
    if quote is None or quoting.is_regular(lines.data):
        return []
    return [line for line in lines.with_byte(quote) if not quoting.is_regular(lines[line])]


def find_records(
    lines: Lines, irregular: Sequence[int], quoting: Quoting
) -> tuple[list[tuple[int, int, list[bytes]]], int | None]:
    """Return (first line, last line, fields) of the records over several lines.

    The second value is the first line of a record that may go on after the text; None if there is
    none. A quote that is not closed within MAX_RECORD_LINES lines and MAX_RECORD_BYTES opens no
    record: then only its own line is at fault.
    """
    records: list[tuple[int, int, list[bytes]]] = []
    below = 0
    for line in irregular:
        if line < below:
            continue
        start = int(lines.starts[line])
        fields, end, ending = quoting.read_record(lines.data, start)
        last = int(np.searchsorted(lines.starts, end, side="right")) - 1
        fits = last - line < MAX_RECORD_LINES and end - start < MAX_RECORD_BYTES
        if ending is Ending.OPEN and fits and end == len(lines.data):
            return records, line
        if ending is Ending.CLOSED and fits:
            records.append((line, last, fields))
            below = last + 1
    return records, None


def plan_files(sources: Sequence[Source], split_bytes: int) -> list[list[Range]]:
    """Return the ranges for each task: one a file, small files share a task."""
    ranges = [Range(number, one, 0, one.size) for number, one in enumerate(sources)]
    return [[ranges[i] for i in run] for run in pack([one.size for one in sources], split_bytes)]


def read_records(one: Range, quoting: Quoting) -> Iterator[tuple[int, bytes]]:
    """Yield (offset, text) of a whole file in pieces that end where a record ends."""
    with open_text(one.source) as file:
        offset, text = 0, b""
        while piece := file.read(PIECE_BYTES):
            text += piece if piece.endswith(b"\n") else piece + file.readline()
            if offset == 0 and text.startswith(BOM):
                offset, text = len(BOM), text.removeprefix(BOM)
            lines = Lines(text)
            _, open_line = find_records(lines, find_irregular(lines, quoting), quoting)
            end = len(text) if open_line is None else int(lines.starts[open_line])
            if end:
                yield offset, text[:end]
            offset, text = offset + end, text[end:]
        if text:
            yield offset, text
