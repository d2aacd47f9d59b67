"""JSON files on any file system that fsspec reaches."""

from __future__ import annotations

import json
import posixpath
import uuid
from pathlib import Path
from typing import Any

from recspark.errors import DataError, describe
from recspark.files import storage


def read_json(path: str) -> Any:
    """Return the parsed content of a JSON file."""
    fs, stripped = storage.filesystem(path)
    with fs.open(stripped, "rb") as file:
        return json.loads(file.read())


def require_json(path: str, *, expected: str, remedy: str) -> Any:
    """Return the parsed content of a JSON file.

    Args:
        path: The file.
        expected: What the file should be, for the message.
        remedy: How to create it.

    Raises:
        DataError: The file is missing or damaged.
    """
    found = "no such file"
    if storage.exists(path):
        try:
            return read_json(path)
        except ValueError as error:
            found = f"a damaged file ({error})"
    raise DataError(describe(path, found=found, expected=expected, remedy=remedy))


def write_json(path: str, value: Any) -> None:
    """Write `value` as JSON; a concurrent reader sees the old file or the new one in full."""
    content = (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
    fs, stripped = storage.filesystem(path)
    parent, name = posixpath.split(stripped)
    fs.makedirs(parent, exist_ok=True)
    if not storage.has_rename(fs):
        fs.pipe_file(stripped, content)  # object stores show a file once it is written in full
        return
    temporary = posixpath.join(parent, f".{name}.tmp-{uuid.uuid4().hex[:8]}")
    with fs.open(temporary, "wb") as file:
        file.write(content)
    if storage.is_local(fs):
        Path(temporary).replace(stripped)
        return
    if fs.exists(stripped):  # HDFS does not rename to a name that is taken
        fs.rm(stripped)
    fs.mv(temporary, stripped)
