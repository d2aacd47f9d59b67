"""The bytes of one raw file: a file of its own, or a byte range of an archive."""

from __future__ import annotations

import contextlib
import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

from recspark.errors import DataError, describe
from recspark.files import storage
from recspark.files.storage import FileInfo

BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Source:
    """One raw file.

    Attributes:
        name: Its name in messages and rejects: its path, or `archive!member`.
        path: The file that holds its bytes.
        size: Its size as stored, compressed or not (bytes).
        start: Its offset in `path`; None if it is all of `path`.
    """

    name: str
    path: str
    size: int
    start: int | None = None

    @staticmethod
    def of(file: FileInfo) -> Source:
        """Return the source for a file of its own."""
        return Source(file.path, file.path, file.size)

    @property
    def is_compressed(self) -> bool:
        """Whether the text is read through gzip."""
        return self.name.lower().endswith((".gz", ".tgz"))


class _Window(io.RawIOBase):
    """`size` bytes of a file from `start` on, as a file object."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        super().__init__()
        self._file, self._start, self._size, self._position = file, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        wanted = max(0, min(len(buffer), self._size - self._position))
        self._file.seek(self._start + self._position)
        data = self._file.read(wanted)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


@contextlib.contextmanager
def open_raw(source: Source) -> Iterator[BinaryIO]:
    """Yield the source's bytes as stored, as a seekable file."""
    fs, path = storage.filesystem(source.path)
    with fs.open(path, "rb") as file:
        if source.start is None:
            yield file
        else:
            window = _Window(file, source.start, source.size)
            yield cast(BinaryIO, io.BufferedReader(window, io.DEFAULT_BUFFER_SIZE))


@contextlib.contextmanager
def open_text(source: Source) -> Iterator[BinaryIO]:
    """Yield the source's text, decompressed if its name ends in .gz or .tgz.

    Raises:
        DataError: The gzip data is damaged or cut off.
    """
    with open_raw(source) as raw:
        if not source.is_compressed:
            yield raw
            return
        try:
            with gzip.open(raw) as stream:
                yield cast(BinaryIO, stream)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise damaged(source.name, "gzip data", error) from error


def damaged(name: str, what: str, error: object) -> DataError:
    """Return the error for a file that cannot be unpacked or decoded."""
    return DataError(
        describe(
            name,
            found=f"damaged {what} ({error})",
            expected="a complete file",
            remedy="Fetch it again; it may have been cut off in transit.",
        )
    )
