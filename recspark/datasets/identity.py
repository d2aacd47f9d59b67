"""What makes a data set the same: its fingerprint before it is made, its id once it is written."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from collections.abc import Mapping, Sequence
from typing import Any

from recspark import __version__
from recspark.contract.paths import HISTORY
from recspark.files import storage
from recspark.files.storage import FileInfo
from recspark.files.sums import FileSum

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Spark's description of a fitted model, with the time of writing and a random name.
_SPARK_METADATA = "metadata"


def fingerprint(
    settings: Mapping[str, Any], inputs: Mapping[str, str], files: Sequence[FileInfo] = ()
) -> str:
    """Return a hash that changes when settings, inputs, files or recspark's version change.

    A file counts as changed if its path, size or time of change differs, however the path is
    spelled.
    """
    read = [(storage.resolve(file.path), file.size, file.modified) for file in files]
    return _hash(__version__, settings, inputs, read)


def content_id(
    columns: Mapping[str, str],
    counts: Mapping[str, Any],
    files: Mapping[str, FileSum],
    *,
    attempt: str,
) -> str:
    """Return a hash of all that later stages read of a data set: columns, counts and files.

    Whatever differs between two runs with one result is left out: UUIDs in names of files, the
    times in a model's history, and Spark's description of a fitted model.

    Args:
        columns: Column name to type.
        counts: The counts in its manifest.
        files: Path below the data set to size and checksum.
        attempt: A random name, which the id depends on where a checksum is unknown.
    """
    kept = sorted(
        (_UUID.sub("*", path), one)
        for path, one in files.items()
        if posixpath.basename(path) != HISTORY
        and posixpath.basename(posixpath.dirname(path)) != _SPARK_METADATA
    )
    is_known = all(crc is not None for _, (_, crc) in kept)
    return _hash(columns, counts, kept, None if is_known else attempt)


def join_ids(ids: Sequence[str]) -> str:
    """Return one id for several data sets, which changes if one of theirs does."""
    return _hash(*ids) if len(ids) > 1 else ids[0]


def _hash(*values: Any) -> str:
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
