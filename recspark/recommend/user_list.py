"""A file of raw user ids, one per line."""

from __future__ import annotations

import fsspec
import numpy as np
import numpy.typing as npt

from recspark.errors import DataError, describe
from recspark.files import storage
from recspark.text.lines import as_text, parse_id, split_lines

_NUM_SAMPLES = 3


def read_user_list(path: str) -> npt.NDArray[np.int32]:
    """Return the distinct ids of the file, ascending; blank lines are skipped.

    Raises:
        DataError: The file is missing or has no ids, or lines are not ids (the message gives their
            count, and samples with line numbers).
    """
    require_user_list(path)
    with fsspec.open(path, "rb", compression="infer") as file:
        lines = [line for _, line in split_lines(file.read().removeprefix(b"\xef\xbb\xbf"))]
    ids = [parse_id(line) for line in lines if line.strip()]
    bad = [n for n, line in enumerate(lines, 1) if line.strip() and parse_id(line) is None]
    if bad:
        shown = "; ".join(f"{path}:{n}: {as_text(lines[n - 1])!r}" for n in bad[:_NUM_SAMPLES])
        raise DataError(_message(path, f"{len(bad):,} lines that are not ids ({shown})"))
    if not ids:
        raise DataError(_message(path, "no ids"))
    return np.unique(np.array(ids, np.int32))


def require_user_list(path: str) -> None:
    """Raise a DataError unless the file exists."""
    fs, stripped = storage.filesystem(path)
    if not fs.isfile(stripped):
        raise DataError(_message(path, f"no such file{storage.start_of(path)}"))


def _message(path: str, found: str) -> str:
    return describe(
        path,
        found=found,
        expected="raw user ids, one per line",
        remedy="Correct it, or point recommend.users at another file.",
    )
