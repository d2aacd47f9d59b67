"""Where data sets are staged before they are moved into place, and how leftovers are removed."""

from __future__ import annotations

import contextlib
import posixpath
import re
from collections.abc import Sequence

from recspark.errors import DataError, describe
from recspark.files import parquet, storage
from recspark.files.storage import FileInfo

MANIFEST = "_MANIFEST.json"
_NUM_SAMPLES = 3
_PARTITION = re.compile(r"=(\d+)/[^/]*$")


def staging_path(output: str) -> str:
    """Return the temporary path to write an output to, on the output's own file system."""
    parent, name = posixpath.split(output)
    return posixpath.join(parent, f".{name}.tmp")


def require_replaceable(output: str) -> None:
    """Raise a DataError if something stands at an output's place that recspark did not write.

    A data set of recspark has a manifest; an empty folder may be replaced as well.
    """
    if _is_whole(output) or not storage.exists(output):
        return
    is_folder = _is_folder(output)
    names = [posixpath.basename(path) for path in list_names(output)] if is_folder else []
    if names or not is_folder:
        shown = ", ".join(names[:_NUM_SAMPLES]) + (", …" if len(names) > _NUM_SAMPLES else "")
        raise DataError(
            describe(
                output,
                found=f"files that recspark did not write ({shown or 'a file'})",
                expected=f"nothing, or a data set of an earlier run with its {MANIFEST}",
                remedy="Choose another --run_dir, or move them away. Nothing was changed.",
            )
        )


def require_apart(outputs: Sequence[str], files: Sequence[FileInfo]) -> None:
    """Raise a DataError if a raw file lies where a stage writes: it would be replaced."""
    for output in outputs:
        place = storage.resolve(output)
        for file in files:
            path = storage.resolve(file.path)
            if path == place or path.startswith(place + "/"):
                raise DataError(
                    describe(
                        file.path,
                        found=f"an input in {output}, which this job replaces",
                        expected="inputs outside of what a job writes",
                        remedy="Choose another --run_dir, or move the input.",
                    )
                )


def replace(output: str) -> None:
    """Move the staged data set to `output`.

    A concurrent reader sees the old set, no set, or the new one.

    Raises:
        DataError: Meanwhile something that recspark did not write was put there.
    """
    require_replaceable(output)
    old = _old_path(output)
    if storage.exists(output):
        storage.move(output, old)
    storage.move(staging_path(output), output)
    storage.remove(old)


def clear(output: str) -> None:
    """Remove what was staged of an output, and undo an interrupted replacement.

    Everything beside the output whose name begins with the output's temporary name is removed.
    """
    start, old = staging_path(output), _old_path(output)
    if _is_cut_short(output, start, old):
        storage.remove(output)
    for path in list_names(posixpath.dirname(output)):
        if path == start:
            storage.remove(path)
        elif path.startswith(start):
            storage.discard(path)
    if not storage.exists(old):
        return
    if _is_whole(old) and not storage.exists(output):
        storage.move(old, output)
    elif _is_whole(output) or not _is_whole(old):
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


def _is_cut_short(output: str, staged: str, old: str) -> bool:
    """Return whether an output is part of a move that a kill cut short.

    Only where a folder is moved file by file, with its manifest last; a rename is one step.
    """
    fs, _ = storage.filesystem(output)
    if storage.has_rename(fs) or _is_whole(output) or not storage.exists(output):
        return False
    return _is_whole(staged) or _is_whole(old)


def _is_folder(path: str) -> bool:
    fs, stripped = storage.filesystem(path)
    return bool(fs.isdir(stripped))


def _is_whole(path: str) -> bool:
    return storage.exists(posixpath.join(path, MANIFEST))
