"""A file system like HDFS as fsspec shows it: Arrow's wrapper, which renames and never copies."""

from __future__ import annotations

from typing import Any

import fsspec
import pyarrow.fs
from fsspec.implementations.arrow import ArrowFSWrapper

SCHEME = "renaming"


class RenamingFileSystem(ArrowFSWrapper):
    """The local disk as `renaming://host:port/path`. Like HDFS it does not rename onto a file."""

    protocol = SCHEME
    cachable = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(pyarrow.fs.LocalFileSystem(), **kwargs)

    @staticmethod
    def _get_kwargs_from_urls(path: str) -> dict[str, str]:
        # Like hdfs://, which without a host would need Hadoop's configuration.
        assert path.startswith(f"{SCHEME}://host:9000/"), path
        return {}

    def mv(self, path1: str, path2: str, **kwargs: Any) -> None:
        """Rename."""
        if self.exists(path2):
            raise FileExistsError(path2)
        super().mv(path1, path2, **kwargs)

    def cp_file(self, path1: str, path2: str, **kwargs: Any) -> None:
        """Refuse: copying goes through the driver."""
        raise AssertionError(f"{path1} is copied")


def register() -> str:
    """Make the file system known, and return the start of its paths."""
    fsspec.register_implementation(SCHEME, RenamingFileSystem, clobber=True)
    return f"{SCHEME}://host:9000"
