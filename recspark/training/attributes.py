"""Attributes of users or movies as features of their rows: indicators of bins, words and lists.

- Numbers with many values: bins with about as many rows each.
- Words, and numbers with few values: one indicator for each value. Values of few rows share one.
- Text in which most rows would share it, such as postal codes, counts by its first character.
- Lists, such as genres: an indicator for each entry, divided by the root of their number.

An unknown value is 0 in all of them. Titles are left out.

Shape legend: R rows, F features.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recspark.contract import columns as c
from recspark.files.parquet import parquet_files, read_batches
from recspark.files.storage import filesystem

NUM_BINS = 16
"""Bins of a number."""
MAX_WORDS = 64
"""Values of an attribute with a feature of their own: the most frequent ones."""
MIN_ROWS = 5
"""Rows that such a value has at least."""
FEW_VALUES = 32
"""Distinct values up to which numbers count as words: they may be codes."""
LIST_MARK = "|"


@dataclass(frozen=True)
class Entries:
    """The features of one attribute that are not 0.

    Attributes:
        rows: int64 [entries].
        features: int64 [entries], each below `count`.
        values: float32 [entries].
        count: Features of the attribute.
    """

    rows: npt.NDArray[np.int64]
    features: npt.NDArray[np.int64]
    values: npt.NDArray[np.float32]
    count: int


def read_attributes(path: str, index_path: str, identity: str) -> dict[str, pa.ChunkedArray]:
    """Return the attributes of all users or movies in the order of their index, null if unknown.

    Args:
        path: The data set `users` or `movies`; without one there are no attributes.
        index_path: `user_index` or `movie_index`.
        identity: The data set's column of ids.
    """
    files = parquet_files(path)
    if not files:
        return {}
    fs, stripped = filesystem(files[0])
    with fs.open(stripped, "rb") as file:
        stored = pq.read_schema(file).names
    table = pa.Table.from_batches(read_batches(path, stored))
    index = pa.Table.from_batches(read_batches(index_path, [c.ID, c.INDEX])).sort_by(c.INDEX)
    places = pc.index_in(index[c.ID], value_set=table[identity])
    return {name: table[name].take(places) for name in stored if name not in (identity, c.TITLE)}


def encode_attributes(columns: Mapping[str, pa.ChunkedArray]) -> dict[str, Entries]:
    """Return the features of each attribute; those without any are left out.

    Args:
        columns: The values of all rows, numbers or text, null if unknown.
    """
    found = {name: _encode(column) for name, column in columns.items()}
    return {name: entries for name, entries in found.items() if entries.count}


def fill_features(
    attributes: Sequence[Entries], rows: npt.NDArray[np.int64], num_rows: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Return the features of some rows, float32 [R, F], and the attribute of each feature, [F].

    Args:
        attributes: Of all rows.
        rows: int64 [R], the wanted ones, each once.
        num_rows: All rows.
    """
    counts = [one.count for one in attributes]
    features = np.zeros((len(rows), sum(counts)), np.float32)
    place = np.full(num_rows, -1)
    place[rows] = np.arange(len(rows))
    first = 0
    for one in attributes:
        to = place[one.rows]
        mine = to >= 0
        features[to[mine], first + one.features[mine]] = one.values[mine]
        first += one.count
    return features, np.repeat(np.arange(len(counts)), counts)


def _encode(column: pa.ChunkedArray) -> Entries:
    known = np.flatnonzero(column.is_valid().to_numpy())
    values = column.drop_null()
    if not pa.types.is_string(values.type) and not pa.types.is_large_string(values.type):
        numbers = values.cast(pa.float64()).to_numpy()
        finite = np.isfinite(numbers)
        known, numbers = known[finite], numbers[finite]
        if len(np.unique(numbers)) > FEW_VALUES:
            return _encode_numbers(known, numbers)
        return _encode_lists(known, [[str(number)] for number in numbers])
    texts = [text.strip() for text in values.to_pylist()]
    if any(LIST_MARK in text for text in texts):
        return _encode_lists(known, [_split(text) for text in texts])
    if sum(count for _, count in _frequent(Counter(texts))) < len(texts) / 2:
        texts = [text[:1].lower() for text in texts]
    return _encode_lists(known, [[text] if text else [] for text in texts])


def _split(text: str) -> list[str]:
    return [entry.strip() for entry in text.split(LIST_MARK) if entry.strip()]


def _encode_numbers(rows: npt.NDArray[np.int64], numbers: npt.NDArray[np.float64]) -> Entries:
    edges = np.unique(np.quantile(numbers, np.arange(1, NUM_BINS) / NUM_BINS))
    bins = np.searchsorted(edges, numbers)  # the smallest, however many, are in the first
    return Entries(rows, bins, np.ones(len(rows), np.float32), len(edges) + 1)


def _encode_lists(rows: npt.NDArray[np.int64], lists: Sequence[Sequence[str]]) -> Entries:
    counts = Counter(entry for entries in lists for entry in entries)
    features = {entry: number for number, (entry, _) in enumerate(_frequent(counts))}
    count = len(features) + (len(features) < len(counts))
    found = [sorted({features.get(entry, count - 1) for entry in entries}) for entries in lists]
    lengths = np.array([len(one) for one in found], np.int64)
    values = (np.repeat(lengths, lengths) ** -0.5).astype(np.float32)
    flat = np.array([feature for one in found for feature in one], np.int64)
    return Entries(np.repeat(rows, lengths), flat, values, count)


def _frequent(counts: Counter[str]) -> list[tuple[str, int]]:
    """Return the values with features of their own, ties by name."""
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    return [one for one in ordered[:MAX_WORDS] if one[1] >= MIN_ROWS]
