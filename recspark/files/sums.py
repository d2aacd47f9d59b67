"""Checksums of files, taken while they are written or by reading them."""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Sequence
from typing import IO

from recspark.files import storage
from recspark.files.storage import FileInfo

_BLOCK_BYTES = 1 << 20

FileSum = list[int | None]
"""Size in bytes and CRC-32; the latter is None if nobody read the file's content."""


class SummingFile(io.RawIOBase):
    """A binary file to write to, which sums what passes through it.

    Closing it leaves the file below it open.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._size = self._crc = 0

    @property
    def sum(self) -> FileSum:
        """The sum of what was written so far."""
        return [self._size, self._crc]

    def writable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the number of bytes written so far."""
        return self._size

    def write(self, content: bytes) -> int:  # type: ignore[override]
        """Write all of the content and return its number of bytes."""
        block = memoryview(content).cast("B")
        self._file.write(block)
        self._crc = zlib.crc32(block, self._crc)
        self._size += len(block)
        return len(block)


def name_content(files: Sequence[FileInfo]) -> str:
    """Return eight characters that stand for the content of files, whatever they are called."""
    digest = hashlib.sha256()
    for one in files:
        fs, stripped = storage.filesystem(one.path)
        with fs.open(stripped, "rb") as file:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
    return digest.hexdigest()[:8]


def sum_file(path: str) -> FileSum:
    """Return the sum of a file; on another machine's store the content is not read."""
    fs, stripped = storage.filesystem(path)
    if not storage.is_local(fs):
        return [int(fs.size(stripped)), None]
    crc, size = 0, 0
    with open(stripped, "rb") as file:
        while block := file.read(_BLOCK_BYTES):
            crc = zlib.crc32(block, crc)
            size += len(block)
    return [size, crc]
