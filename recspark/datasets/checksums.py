"""Checks by size and checksum whether the files of a data set are still as they were written.

Parquet as it is read here has no checksum of its own: a flipped bit in a page gives a different
rating and no error. Files on a local disk are read in full, at more than a gigabyte per second and
core. Object stores and HDFS verify their own files, so only the sizes of those are compared.
"""

from __future__ import annotations

import posixpath
import zlib
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from recspark.datasets.staging import MANIFEST
from recspark.files import storage

_THREADS = 4
_BLOCK_BYTES = 1 << 20

FileSum = list[int | None]
"""Size in bytes and CRC-32; the latter is None if the store verifies its own files."""


def sum_files(root: str) -> dict[str, FileSum]:
    """Return size and checksum of every visible file of a data set, by path below `root`."""
    fs, stripped = storage.filesystem(root)
    names = [
        name
        for name in sorted(fs.find(stripped))
        if posixpath.basename(name) != MANIFEST and not posixpath.basename(name).startswith(".")
    ]
    with ThreadPoolExecutor(_THREADS) as pool:
        sums = pool.map(lambda name: _sum(fs.unstrip_protocol(name)), names)
        return {
            posixpath.relpath(name, stripped): one for name, one in zip(names, sums, strict=True)
        }


def find_damage(root: str, files: Mapping[str, FileSum]) -> str | None:
    """Return what is wrong with the first file that has changed; None if no file has changed."""
    with ThreadPoolExecutor(_THREADS) as pool:
        faults: Iterable[str | None] = pool.map(
            lambda item: _fault(posixpath.join(root, item[0]), item[1]), files.items()
        )
        return next((fault for fault in faults if fault), None)


def _fault(path: str, written: FileSum) -> str | None:
    try:
        found = _sum(path)
    except FileNotFoundError:
        return f"no {path}"
    if found[0] != written[0]:
        return f"{path} of {found[0]:,} bytes instead of {written[0]:,}"
    if found[1] is not None and written[1] is not None and found[1] != written[1]:
        return f"{path} with a different checksum"
    return None


def _sum(path: str) -> FileSum:
    fs, stripped = storage.filesystem(path)
    if not storage.is_local(fs):
        return [int(fs.size(stripped)), None]
    total, size = 0, 0
    with open(stripped, "rb") as file:
        while block := file.read(_BLOCK_BYTES):
            total = zlib.crc32(block, total)
            size += len(block)
    return [size, total]
