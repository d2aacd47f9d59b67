"""Damage for Netflix-format text: random lines are damaged in ten ways, and recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from recspark.files import storage
from recspark.synthetic.streams import Purpose, stream

_BLOCK_BYTES = 8 * 1024 * 1024

# Each takes (user, rating, date) of a valid line and returns a line that must be refused.
KINDS: dict[str, Callable[[bytes, bytes, bytes], bytes]] = {
    "rating out of range": lambda user, rating, date: b"%b,6,%b" % (user, date),
    "rating missing": lambda user, rating, date: b"%b,,%b" % (user, date),
    "rating between stars": lambda user, rating, date: b"%b,%b.5,%b" % (user, rating, date),
    "user of letters": lambda user, rating, date: b"u%b,%b,%b" % (user, rating, date),
    "user too large": lambda user, rating, date: b"99999999999999999999,%b,%b" % (rating, date),
    "impossible day": lambda user, rating, date: b"%b,%b,%b-02-30" % (user, rating, date[:4]),
    "other form of date": lambda user, rating, date: b"%b,%b,31/12/%b" % (user, rating, date[:4]),
    "cut off": lambda user, rating, date: b"%b,%b" % (user, rating),
    "a field too many": lambda user, rating, date: b"%b,%b,%b,1" % (user, rating, date),
    "undecodable bytes": lambda user, rating, date: b"%b,%b,\xff\xfe%b" % (user, rating, date),
}


@dataclass(frozen=True)
class Fault:
    """One damaged line: its position in the damaged file, its text, and the original line."""

    path: str
    line: int
    """From 1."""
    offset: int
    """Bytes before it in the damaged file."""
    text: bytes
    kind: str
    original: bytes


def plant_faults(source: str, target: str, *, every: int, seed: int) -> list[Fault]:
    """Copy a clean file, damage about one in `every` lines, and return the damaged lines in order.

    The copy is made in blocks of 8 MiB; only the faults are kept in memory.

    Args:
        source: A file of clean Netflix-format text with LF line ends.
        target: The damaged file.
        every: Lines per fault (count, 1 or more); headers are left intact.
        seed: Seed of the lines to damage; the kinds of fault take turns.
    """
    draw = stream(seed, Purpose.FAULTS)
    faults: list[Fault] = []
    kinds = list(KINDS.items())
    line, offset = 1, 0
    target_fs, target_path = storage.filesystem(target)
    with target_fs.open(target_path, "wb") as copy:
        for block in _read_blocks(source):
            ends = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n"))
            starts = np.concatenate([[0], ends[:-1] + 1])
            position = 0
            for number in np.flatnonzero(draw.random(len(ends)) * every < 1).tolist():
                start, end = int(starts[number]), int(ends[number])
                original = block[start:end]
                if original.endswith(b":"):
                    continue
                kind, damage = kinds[len(faults) % len(kinds)]
                user, rating, date = original.split(b",")
                text = damage(user, rating, date)
                copy.write(block[position:start])
                offset += start - position
                faults.append(Fault(target, line + number, offset, text, kind, original))
                copy.write(text)
                offset += len(text)
                position = end
            copy.write(block[position:])
            offset += len(block) - position
            line += len(ends)
    return faults


def _read_blocks(path: str) -> Iterator[bytes]:
    """Yield the file in blocks of whole lines."""
    fs, stripped = storage.filesystem(path)
    with fs.open(stripped, "rb") as file:
        while block := file.read(_BLOCK_BYTES):
            yield block if block.endswith(b"\n") else block + file.readline()
