"""Moves in stores without rename: a copy and a deletion, in an order that is safe."""

from __future__ import annotations

import posixpath

import fsspec


def move_files(fs: fsspec.AbstractFileSystem, source: str, target: str) -> None:
    """Copy a file or folder to another path in the same store, then delete the original.

    Files named `_…` mark a folder as complete. They are copied last and deleted first, so a folder
    that has one always has all its files.
    """
    files = [source] if fs.isfile(source) else fs.find(source)
    marks = [name for name in files if posixpath.basename(name).startswith("_")]
    others = [name for name in files if name not in marks]
    for names in filter(None, (others, marks)):
        fs.copy(names, [target + name[len(source) :] for name in names])
    for names in filter(None, (marks, others)):
        fs.rm(names)
