"""Files and folders on any file system that fsspec reaches: local disk, HDFS, object stores."""

from __future__ import annotations

import contextlib
import os
import posixpath
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec

from recspark.files.object_store import move_files

# Their "rename" copies every file, in any order; `move_files` does it in an order that is safe.
_OBJECT_STORES = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "oss", "oci"}


@dataclass(frozen=True)
class FileInfo:
    """One file: full path, size in bytes, time of last change as text (empty if unknown)."""

    path: str
    size: int
    modified: str


def filesystem(path: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """Return the file system that holds `path`, and the path in that file system's form."""
    # Spark writes s3a://, fsspec writes s3://.
    return fsspec.core.url_to_fs(path.replace("s3a://", "s3://", 1))


def full_path(fs: fsspec.AbstractFileSystem, name: str, beside: str) -> str:
    """Return the path that `filesystem` accepts for a name that a file system listed.

    Args:
        fs: The file system.
        name: The name.
        beside: A path in the same file system, whose scheme and host are taken.
    """
    if is_local(fs):
        return name
    stripped = filesystem(beside)[1]
    # fsspec's own way to add the scheme forgets the host of hdfs://host:port.
    start = beside.removesuffix("/").removesuffix(stripped.removesuffix("/"))
    return start + name if start != beside else str(fs.unstrip_protocol(name))


def resolve(path: str) -> str:
    """Return one spelling of a path: absolute, local links followed, without a trailing slash."""
    fs, stripped = filesystem(path)
    if is_local(fs):
        return str(Path(stripped).resolve())
    return full_path(fs, stripped, path.replace("s3a://", "s3://", 1)).rstrip("/")


def absolute(path: str) -> str:
    """Return a local path as an absolute one, and a path on another file system unchanged.

    `~` is the home folder, and a local path may begin with `file:` or `file://`.
    """
    if "://" in path and not path.startswith("file:"):
        return path
    local = path.removeprefix("file:")
    if local.startswith("//"):
        local = local[2:]
    # Unlike Path.expanduser, this leaves ~name as it is where there is no such user.
    return str(Path(os.path.expanduser(local)).resolve())  # noqa: PTH111


def start_of(path: str) -> str:
    """Return ` from the folder …` for a relative path, for messages that it was not found."""
    is_relative = "://" not in path and not path.startswith(("/", "~", "file:"))
    return f" from the folder {Path.cwd()}" if is_relative else ""


def exists(path: str) -> bool:
    """Return whether a file or folder exists."""
    fs, stripped = filesystem(path)
    return bool(fs.exists(stripped))


def remove(path: str) -> None:
    """Delete a file, or a folder with its content, if it exists."""
    fs, stripped = filesystem(path)
    if fs.exists(stripped):
        fs.rm(stripped, recursive=True)


def discard(path: str) -> None:
    """Delete a file or folder as far as possible, while others may still be writing into it."""
    with contextlib.suppress(OSError):
        remove(path)


def move(source: str, target: str) -> None:
    """Rename a file or folder; the target must not exist, and its parent folder is created."""
    fs, stripped = filesystem(source)
    _, stripped_target = filesystem(target)
    fs.makedirs(posixpath.dirname(stripped_target), exist_ok=True)
    if is_local(fs):
        Path(stripped).rename(stripped_target)
    elif has_rename(fs):
        fs.mv(stripped, stripped_target)
    else:
        move_files(fs, stripped, stripped_target)


def make_folder(path: str) -> None:
    """Create a folder and its parents if they are missing."""
    fs, stripped = filesystem(path)
    fs.makedirs(stripped, exist_ok=True)


def read_bytes(path: str) -> bytes:
    """Return the content of a file."""
    fs, stripped = filesystem(path)
    with fs.open(stripped, "rb") as file:
        return bytes(file.read())


def write_bytes(path: str, content: bytes) -> None:
    """Write a file and create its folder if it is missing."""
    fs, stripped = filesystem(path)
    fs.makedirs(posixpath.dirname(stripped), exist_ok=True)
    with fs.open(stripped, "wb") as file:
        file.write(content)


def list_files(pattern: str) -> list[FileInfo]:
    """Return the files that a path, a folder (without hidden files) or a glob names, by path.

    Links to files are followed. The list is empty if nothing matched; the caller reports that.
    """
    fs, stripped = filesystem(pattern)
    if fs.isfile(stripped):
        names = [stripped]
    elif fs.isdir(stripped):
        entries = fs.ls(stripped, detail=True)
        names = [one["name"] for one in entries if _is_file(fs, one)]
    else:
        names = [name for name in fs.glob(stripped) if fs.isfile(name)]
    visible = sorted(n for n in names if not posixpath.basename(n).startswith((".", "_")))
    return [file_info(full_path(fs, name, pattern)) for name in visible]


def list_entries(path: str) -> list[str]:
    """Return everything directly in a folder, or that a glob matches: full paths, sorted."""
    fs, stripped = filesystem(path)
    if fs.isdir(stripped):
        # Object stores list the marker of a folder in the folder.
        found = [str(name).rstrip("/") for name in fs.ls(stripped, detail=False)]
        names = [name for name in found if name != stripped.rstrip("/")]
    else:
        names = [str(name) for name in fs.glob(stripped)]
    return [full_path(fs, name, path) for name in sorted(names)]


def list_tree(path: str) -> list[FileInfo]:
    """Return all files in a folder and the folders below, or that a glob names, by path."""
    fs, stripped = filesystem(path)
    roots = [stripped] if fs.exists(stripped) else fs.glob(stripped)
    names = {str(name) for root in roots for name in fs.find(root)}
    return [file_info(full_path(fs, name, path)) for name in sorted(names)]


def is_file(path: str) -> bool:
    """Return whether a path is a file, or a link to one."""
    fs, stripped = filesystem(path)
    return bool(fs.isfile(stripped))


def is_folder(path: str) -> bool:
    """Return whether a path is a folder, or a link to one."""
    fs, stripped = filesystem(path)
    return bool(fs.isdir(stripped))


def file_info(path: str) -> FileInfo:
    """Return the size and the time of change of a file; of a link, those of its target."""
    fs, stripped = filesystem(path)
    if is_local(fs):
        status = Path(stripped).stat()
        return FileInfo(path=stripped, size=status.st_size, modified=str(status.st_mtime))
    info = fs.info(stripped)
    changed = info.get("mtime") or info.get("LastModified") or info.get("ETag") or ""
    full = full_path(fs, stripped, path)
    return FileInfo(path=full, size=int(info["size"]), modified=str(changed))


def list_folders(path: str) -> list[str]:
    """Return the folders directly in `path`, sorted, as full paths; none if it is missing."""
    fs, stripped = filesystem(path)
    if not fs.isdir(stripped):
        return []
    names = [e["name"] for e in fs.ls(stripped, detail=True) if e["type"] == "directory"]
    return [full_path(fs, name, path) for name in sorted(names)]


def _is_file(fs: fsspec.AbstractFileSystem, entry: dict[str, Any]) -> bool:
    """Return whether an entry of a folder is a file; fsspec: a link is neither."""
    return entry["type"] == "file" or (entry["type"] != "directory" and fs.isfile(entry["name"]))


@contextlib.contextmanager
def local_copy(path: str) -> Iterator[str]:
    """Yield the local path of a file: its own if it is local, otherwise that of a temporary copy.

    For readers that only support local files. At most one file is copied at a time.
    """
    fs, stripped = filesystem(path)
    if is_local(fs):
        yield stripped
        return
    with tempfile.TemporaryDirectory(prefix="recspark-") as folder:
        target = str(Path(folder) / posixpath.basename(stripped))
        fs.get_file(stripped, target)
        yield target


def is_local(fs: fsspec.AbstractFileSystem) -> bool:
    """Return whether a file system is that of the local machine."""
    return "file" in ((fs.protocol,) if isinstance(fs.protocol, str) else fs.protocol)


def has_rename(fs: fsspec.AbstractFileSystem) -> bool:
    """Return whether a file system moves a folder in one step, as disks and HDFS do."""
    protocols = (fs.protocol,) if isinstance(fs.protocol, str) else fs.protocol
    is_own = type(fs).mv is not fsspec.AbstractFileSystem.mv  # which copies
    return is_local(fs) or (is_own and not _OBJECT_STORES & set(protocols))
