"""Checks by size and checksum whether the files of a data set are still as they were written.

Parquet as it is read here has no checksum of its own: a flipped bit in a page gives a different
rating and no error. Files on a local disk are read in full, at more than a gigabyte per second and
core. Object stores and HDFS verify their own files, so only the sizes of those are compared.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from recspark.datasets.staging import MANIFEST
from recspark.files import storage
from recspark.files.sums import FileSum, sum_file

_THREADS = 4


def sum_files(root: str, known: Mapping[str, FileSum]) -> dict[str, FileSum]:
    """Return size and checksum of every visible file of a data set, by path below `root`.

    Args:
        root: The data set.
        known: Path to sum of the files that need no reading.
    """
    fs, stripped = storage.filesystem(root)
    names = [
        name
        for name in sorted(fs.find(stripped))
        if posixpath.basename(name) != MANIFEST and not posixpath.basename(name).startswith(".")
    ]
    by_name = {storage.filesystem(path)[1]: one for path, one in known.items()}

    def look_up(name: str) -> FileSum:
        return by_name.get(name) or sum_file(storage.full_path(fs, name, root))

    with ThreadPoolExecutor(_THREADS) as pool:
        sums = pool.map(look_up, names)
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
        found = sum_file(path)
    except FileNotFoundError:
        return f"no {path}"
    if found[0] != written[0]:
        return f"{path} of {found[0]:,} bytes instead of {written[0]:,}"
    if found[1] is not None and written[1] is not None and found[1] != written[1]:
        return f"{path} with a different checksum"
    return None
