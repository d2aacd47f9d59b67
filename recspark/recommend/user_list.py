"""A file of raw user ids, one per line."""

from __future__ import annotations

import fsspec
import numpy as np
import pyarrow as pa

from recspark.arrays.ids import Ids
from recspark.arrays.tally import tally
from recspark.errors import DataError, describe
from recspark.files import storage
from recspark.redact import shown
from recspark.tables.raw_ids import FINE, read_ids
from recspark.text.lines import as_text, split_lines

_NUM_SAMPLES = 3


def read_user_list(path: str, *, are_text: bool = False) -> Ids:
    """Return the distinct ids of the file, whole numbers ascending; blank lines are skipped.

    Args:
        path: The file; its compression is inferred from its name.
        are_text: Whether the run's user ids are text; otherwise they are whole numbers.

    Raises:
        DataError: The file is missing or has no ids, or lines are not ids (the message gives their
            count, and samples with line numbers).
    """
    require_user_list(path)
    with fsspec.open(path, "rb", compression="infer") as file:
        lines = split_lines(file.read().removeprefix(b"\xef\xbb\xbf"))
    given = [(n, as_text(line)) for n, (_, line) in enumerate(lines, 1) if line.strip()]
    found = read_ids(pa.array([text for _, text in given], pa.string()), as_text=are_text)
    bad = [given[at] for at in np.flatnonzero(found.problems != FINE).tolist()]
    if bad:
        samples = "; ".join(f"{path}:{n}: {shown(text)!r}" for n, text in bad[:_NUM_SAMPLES])
        raise DataError(
            _message(path, f"{len(bad):,} lines that are not ids ({samples})", are_text)
        )
    if not given:
        raise DataError(_message(path, "no ids", are_text))
    return tally(found.ids)[0]


def require_user_list(path: str) -> None:
    """Raise a DataError unless the file exists."""
    fs, stripped = storage.filesystem(path)
    if not fs.isfile(stripped):
        raise DataError(_message(path, f"no such file{storage.start_of(path)}"))


def _message(path: str, found: str, are_text: bool | None = None) -> str:
    kind = {None: "", True: " (text in this run)", False: " (whole numbers in this run)"}[are_text]
    return describe(
        path,
        found=found,
        expected=f"raw user ids{kind}, one per line",
        remedy="Correct it, or point recommend.users at another file.",
    )
