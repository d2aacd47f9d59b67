"""A file of raw user ids, one a line."""

from __future__ import annotations

import fsspec
import numpy as np
import numpy.typing as npt

from recspark.errors import DataError, describe
from recspark.files import storage
from recspark.text.lines import as_text, parse_id, split_lines

_NUM_SAMPLES = 3


def read_user_list(path: str) -> npt.NDArray[np.int32]:
    """Return the different ids of the file, ascending; blank lines are passed over.

    Raises:
        DataError: The file is missing or has no id, or lines are no ids (count, samples and line
            numbers are named).
    """
    require_user_list(path)
    with fsspec.open(path, "rb", compression="infer") as file:
        lines = [line for _, line in split_lines(file.read().removeprefix(b"\xef\xbb\xbf"))]
    ids = [parse_id(line) for line in lines if line.strip()]
    bad = [n for n, line in enumerate(lines, 1) if line.strip() and parse_id(line) is None]
    if bad:
        shown = "; ".join(f"{path}:{n}: {as_text(lines[n - 1])!r}" for n in bad[:_NUM_SAMPLES])
        raise DataError(_message(path, f"{len(bad):,} lines that are no ids ({shown})"))
    if not ids:
        raise DataError(_message(path, "no ids"))
    return np.unique(np.array(ids, np.int32))


def require_user_list(path: str) -> None:
    """Raise a DataError unless a file is there."""
    fs, stripped = storage.filesystem(path)
    if not fs.isfile(stripped):
        raise DataError(_message(path, "no such file"))


def _message(path: str, found: str) -> str:
    return describe(
        path,
        found=found,
        expected="raw user ids, one a line",
        remedy="Correct it, or point recommend.users at another file.",
    )
