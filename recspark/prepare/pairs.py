"""Files of held-out user-movie pairs: Netflix's probe.txt, or two leading columns."""

from __future__ import annotations

import re

import fsspec
import numpy as np
import pandas as pd

from recspark.contract import columns as c
from recspark.errors import DataError, describe
from recspark.files import storage
from recspark.ingest.held_out import read_held_out
from recspark.text.lines import MAX_ID
from recspark.text.sources import Source

_HEADER = re.compile(r"(\d+):")
_SEPARATOR = re.compile(r"\t|::|,")
_COLUMNS = [c.USER_ID, c.MOVIE_ID]
_NUM_SAMPLES = 3


def read_pairs(path: str) -> pd.DataFrame:
    """Return `user_id, movie_id` (int32) of a pairs file, in the file's order.

    The first line tells two layouts apart: Netflix's probe (`1234:` for the movie, then one user id
    per line) and delimited rows that begin with user and movie (`u1.test`, CSV; a first row that is
    not numeric is a header). The file name's suffix says whether the file is compressed.

    Raises:
        DataError: The file is missing or empty, or some lines are not pairs (the message gives
            their count and samples).
    """
    require_pairs_file(path)
    with fsspec.open(path, "rt", encoding="utf-8", errors="replace", compression="infer") as file:
        lines = [line.strip() for line in file]
    first = next((line for line in lines if line), None)
    if first is None:
        raise DataError(_message(path, "an empty file", "Point prepare.pairs at the real file."))
    is_probe = _HEADER.fullmatch(first) is not None
    pairs, bad = _parse_probe(path) if is_probe else _parse_columns(lines)
    if bad:
        samples = "; ".join(
            f"{path}:{number}: {lines[number - 1]!r}" for number in bad[:_NUM_SAMPLES]
        )
        raise DataError(
            _message(path, f"{len(bad)} lines that are not pairs ({samples})", "Correct them.")
        )
    return pd.DataFrame(np.asarray(pairs, dtype=np.int32).reshape(-1, 2), columns=_COLUMNS)


def require_pairs_file(path: str) -> None:
    """Raise a DataError unless the path is a file."""
    fs, stripped = storage.filesystem(path)
    if not fs.isfile(stripped):
        found = "a directory" if fs.isdir(stripped) else "nothing"
        raise DataError(_message(path, found, "Point prepare.pairs at the file."))


def _parse_probe(path: str) -> tuple[list[tuple[int, int]], list[int]]:
    [file] = storage.list_files(path)
    found = read_held_out(Source.of(file), has_dates=False)
    pairs = found.frame[_COLUMNS].to_numpy().tolist()
    return pairs, [reject.line + 1 for reject in found.rejects]


def _parse_columns(lines: list[str]) -> tuple[list[tuple[int, int]], list[int]]:
    pairs, bad = [], []
    for number, line in enumerate(lines, start=1):
        fields = _SEPARATOR.split(line)
        if len(fields) >= 2 and _is_id(fields[0]) and _is_id(fields[1]):
            pairs.append((int(fields[0]), int(fields[1])))
        elif line and number > 1:
            bad.append(number)
    return pairs, bad


def _is_id(text: str) -> bool:
    return text.isdecimal() and int(text) <= MAX_ID


def _message(path: str, found: str, remedy: str) -> str:
    expected = "user-movie pairs (probe.txt, or rows that begin with user and movie)"
    return describe(path, found=found, expected=expected, remedy=remedy)
