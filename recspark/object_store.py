"""Moving files where nothing can be renamed."""

from __future__ import annotations

import posixpath

import fsspec


def move_files(fs: fsspec.AbstractFileSystem, source: str, target: str) -> None:
    """Copy a file or folder to another place of its store, then delete it.

    The files named `_…`, which say that a folder is whole, come last and go first, so that a
    folder seen with one has all it says.
    """
    files = [source] if fs.isfile(source) else fs.find(source)
    marks = [name for name in files if posixpath.basename(name).startswith("_")]
    others = [name for name in files if name not in marks]
    for names in filter(None, (others, marks)):
        fs.copy(names, [target + name[len(source) :] for name in names])
    for names in filter(None, (marks, others)):
        fs.rm(names)
