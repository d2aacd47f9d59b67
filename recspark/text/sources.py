"""The bytes of one raw file: a file of its own, or a byte range of an archive."""

from __future__ import annotations

import bz2
import codecs
import contextlib
import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, BinaryIO, cast

import pyarrow as pa

from recspark.errors import DataError, describe
from recspark.files import storage
from recspark.files.storage import FileInfo
from recspark.text.kinds import NUM_BYTES, find_compression, find_encoding
from recspark.text.names import partitions_of, without_compression

BOM = b"\xef\xbb\xbf"
_BLOCK_BYTES = 1024 * 1024
_START_BYTES = 16 * 1024


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
    def partitions(self) -> dict[str, str]:
        """The columns that folders named `column=value` give, e.g. `{"year": "2005"}`."""
        return partitions_of(self.name)


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
    """Yield the source's text, decompressed and as UTF-8.

    The first bytes tell the compression (gzip, bzip2, xz, Zstandard, LZ4) and UTF-16; the name does
    not matter. Only text that is stored as it is can be sought in cheaply.

    Raises:
        DataError: The data is damaged or cut off.
    """
    with open_raw(source) as raw:
        start = _peek(raw)
        kind = find_compression(start)
        if kind is None and _says_compressed(source) and b"\x00" in start:
            raise damaged(source.name, "compressed data", "its first bytes are unknown")
        text = raw if kind is None else _buffer(_decompress(raw, kind, source.name))
        encoding = find_encoding(start if kind is None else text.peek(2))  # type: ignore[attr-defined]
        yield text if encoding is None else _buffer(_decode(text, source.name))


def read_start(source: Source) -> bytes:
    """Return the first bytes of a file's text."""
    with open_text(source) as file:
        return file.read(_START_BYTES)


def is_splittable(source: Source) -> bool:
    """Return whether tasks can share a file out: it is stored as text of one byte a character."""
    with open_raw(source) as raw:
        start = _peek(raw)
    return find_compression(start) is None and find_encoding(start) is None


def is_misnamed(source: Source) -> bool:
    """Return whether a file's name and its first bytes disagree about its compression."""
    with open_raw(source) as raw:
        return _says_compressed(source) != (find_compression(_peek(raw)) is not None)


def _says_compressed(source: Source) -> bool:
    name = source.name
    return without_compression(name) != name or name.lower().endswith((".tgz", ".tbz2", ".txz"))


def _peek(raw: BinaryIO) -> bytes:
    start = raw.read(NUM_BYTES)
    raw.seek(0)
    return start


class _Chunks(io.RawIOBase):
    """Chunks of bytes as a file object."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        super().__init__()
        self._chunks, self._left = chunks, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._left:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._left = memoryview(chunk)
        size = min(len(buffer), len(self._left))
        buffer[:size] = self._left[:size]
        self._left = self._left[size:]
        return size


def _buffer(chunks: Iterator[bytes]) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(_Chunks(chunks), _BLOCK_BYTES))


def _decompress(raw: BinaryIO, kind: str, name: str) -> Iterator[bytes]:
    """Yield the decompressed data in chunks; a file may hold several compressed streams."""
    what = {"bz2": "bzip2", "zstd": "Zstandard"}.get(kind, kind)
    try:
        with _open_compressed(raw, kind) as stream:
            while chunk := stream.read(_BLOCK_BYTES):
                yield chunk
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise damaged(name, f"{what} data", error) from error
    except OSError as error:
        if error.errno is not None:  # of the disk or the network
            raise
        raise damaged(name, f"{what} data", error) from error


def _open_compressed(raw: BinaryIO, kind: str) -> IO[bytes]:
    if kind == "gzip":
        return cast(IO[bytes], gzip.open(raw))
    if kind == "bz2":
        return cast(IO[bytes], bz2.open(raw))
    if kind == "xz":
        return cast(IO[bytes], lzma.open(raw))
    return cast(IO[bytes], pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), kind))


def _decode(text: BinaryIO, name: str) -> Iterator[bytes]:
    """Yield UTF-16 text, which begins with a byte order mark, as UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-16")()
    try:
        while chunk := text.read(_BLOCK_BYTES):
            yield decoder.decode(chunk).encode()
        decoder.decode(b"", final=True)
    except UnicodeError as error:
        raise damaged(name, "UTF-16 text", error) from error


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
