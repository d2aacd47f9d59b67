"""Where data sets are staged before they are moved into place, and how leftovers are removed."""

from __future__ import annotations

import contextlib
import posixpath
import re

from recspark.files import parquet, storage

MANIFEST = "_MANIFEST.json"
_PARTITION = re.compile(r"=(\d+)/[^/]*$")


def staging_path(output: str) -> str:
    """Return the temporary path to write an output to, on the output's own file system."""
    parent, name = posixpath.split(output)
    return posixpath.join(parent, f".{name}.tmp")


def replace(output: str) -> None:
    """Move the staged data set to `output`.

    A concurrent reader sees the old set, no set, or the new one.
    """
    old = _old_path(output)
    if storage.exists(output):
        storage.move(output, old)
    storage.move(staging_path(output), output)
    storage.remove(old)


def clear(output: str) -> None:
    """Remove what was staged of an output, and undo an interrupted replacement.

    Everything beside the output whose name begins with the output's temporary name is removed.
    """
    start = staging_path(output)
    for path in list_names(posixpath.dirname(output)):
        if path.startswith(start):
            with contextlib.suppress(FileNotFoundError):
                storage.remove(path)
    old = _old_path(output)
    if not storage.exists(old):
        return
    if _is_whole(old) and not _is_whole(output):
        storage.remove(output)
        storage.move(old, output)
    else:
        storage.remove(old)


def count_partitions(path: str) -> tuple[dict[str, int], int]:
    """Return the rows per value of the partition column, and their total, from Parquet footers."""
    rows: dict[str, int] = {}
    for file in parquet.parquet_files(path):
        match = _PARTITION.search(file)
        value = match.group(1) if match else ""
        rows[value] = rows.get(value, 0) + parquet.count_rows(file)
    return dict(sorted(rows.items(), key=lambda item: int(item[0] or 0))), sum(rows.values())


def list_names(folder: str) -> list[str]:
    """Return the files and folders directly in a folder, as paths that begin with `folder`.

    The file system's cache is cleared first. The list is empty if the folder does not exist.
    """
    fs, stripped = storage.filesystem(folder)
    fs.invalidate_cache()
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        found = (posixpath.basename(name.rstrip("/")) for name in fs.ls(stripped, detail=False))
        return sorted(posixpath.join(folder, name) for name in found)
    return []


def _old_path(output: str) -> str:
    parent, name = posixpath.split(output)
    return posixpath.join(parent, f".{name}.old")


def _is_whole(path: str) -> bool:
    return storage.exists(posixpath.join(path, MANIFEST))
