"""A file of raw ids of users or movies, one per line."""

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


def read_id_list(path: str, setting: str, *, are_text: bool = False) -> Ids:
    """Return the distinct ids of the file, whole numbers ascending; blank lines are skipped.

    Args:
        path: The file; its compression is inferred from its name.
        setting: The setting that names it, for messages.
        are_text: Whether the run's ids are text; otherwise they are whole numbers.

    Raises:
        DataError: The file is missing or has no ids, or lines are not ids (the message gives their
            count, and samples with line numbers).
    """
    require_id_list(path, setting)
    with fsspec.open(path, "rb", compression="infer") as file:
        lines = split_lines(file.read().removeprefix(b"\xef\xbb\xbf"))
    given = [(n, as_text(line)) for n, (_, line) in enumerate(lines, 1) if line.strip()]
    found = read_ids(pa.array([text for _, text in given], pa.string()), as_text=are_text)
    bad = [given[at] for at in np.flatnonzero(found.problems != FINE).tolist()]
    kind = " (text in this run)" if are_text else " (whole numbers in this run)"
    if bad:
        samples = "; ".join(f"{path}:{n}: {shown(text)!r}" for n, text in bad[:_NUM_SAMPLES])
        found_lines = f"{len(bad):,} lines that are not ids ({samples})"
        raise DataError(_message(path, setting, found_lines, kind))
    if not given:
        raise DataError(_message(path, setting, "no ids", kind))
    return tally(found.ids)[0]


def require_id_list(path: str, setting: str) -> None:
    """Raise a DataError unless the file exists."""
    fs, stripped = storage.filesystem(path)
    if not fs.isfile(stripped):
        raise DataError(_message(path, setting, f"no such file{storage.start_of(path)}"))


def _message(path: str, setting: str, found: str, kind: str = "") -> str:
    return describe(
        path,
        found=found,
        expected=f"raw ids{kind}, one per line",
        remedy=f"Correct it, or point {setting} at another file.",
    )
