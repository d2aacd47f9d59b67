"""JSON files that must be there, and whole."""

from __future__ import annotations

from typing import Any

from recspark import storage
from recspark.errors import DataError, describe


def require_json(path: str, *, expected: str, remedy: str) -> Any:
    """Return the parsed content of a JSON file.

    Args:
        path: The file.
        expected: What it is, for the message.
        remedy: How to make it.

    Raises:
        DataError: It is missing or damaged.
    """
    found = "no such file"
    if storage.exists(path):
        try:
            return storage.read_json(path)
        except ValueError as error:
            found = f"a damaged file ({error})"
    raise DataError(describe(path, found=found, expected=expected, remedy=remedy))
