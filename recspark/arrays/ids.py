"""Raw ids of users or movies: whole numbers, or text held as codes of its distinct values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from recspark.arrays.hashing import mix

# Ids below this are used as they are where ids are hashed; others are mixed first.
_PLAIN_KEYS = 2**32


@dataclass(frozen=True)
class TextIds:
    """Text ids.

    Attributes:
        codes: Position of each id in `values`, int32 [n].
        values: The distinct ids (string); some may not occur.
    """

    codes: npt.NDArray[np.int32]
    values: pa.StringArray

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, chosen: Any) -> TextIds:
        """Return the ids that a mask, a slice or an array of positions chooses."""
        return TextIds(self.codes[chosen], self.values)

    @staticmethod
    def of(ids: pa.Array | pa.ChunkedArray | Iterable[str]) -> TextIds:
        """Return the ids of a column of text."""
        if not isinstance(ids, pa.Array | pa.ChunkedArray):
            ids = pa.array(ids, pa.string())
        if isinstance(ids, pa.ChunkedArray):
            ids = pa.concat_arrays(ids.unify_dictionaries().chunks or [pa.array([], ids.type)])
        if not pa.types.is_dictionary(ids.type):
            ids = ids.cast(pa.string()).dictionary_encode()
        codes = ids.indices.to_numpy(zero_copy_only=False).astype(np.int32, copy=False)
        return TextIds(codes, ids.dictionary.cast(pa.string()))


Ids = npt.NDArray[np.integer[Any]] | TextIds
"""Ids in the order of their rows: an integer array, or text."""


def concatenate_ids(blocks: Sequence[Ids]) -> Ids:
    """Return the ids of all blocks, one after the other; blocks are all whole or all text."""
    texts = [block for block in blocks if isinstance(block, TextIds)]
    if not texts:
        return np.concatenate(list(blocks))
    together = pa.chunked_array([to_arrow(text) for text in texts]).unify_dictionaries()
    return TextIds.of(pa.concat_arrays(together.chunks))


def to_arrow(ids: Ids) -> pa.Array:
    """Return ids as a column: int64, or strings encoded by a dictionary."""
    if isinstance(ids, TextIds):
        return pa.DictionaryArray.from_arrays(pa.array(ids.codes, pa.int32()), ids.values)
    return pa.array(ids.astype(np.int64, copy=False))


def to_column(ids: Ids) -> pa.Array:
    """Return ids as a column to store: int64, or strings without a dictionary."""
    column = to_arrow(ids)
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def from_arrow(column: pa.Array | pa.ChunkedArray) -> Ids:
    """Return the ids of a column of integers, or of text (encoded by a dictionary or not)."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_integer(kind):
        return column.to_numpy() if isinstance(column, pa.ChunkedArray) else column.to_numpy(False)
    return TextIds.of(column)


def to_list(ids: Ids) -> list[int] | list[str]:
    """Return ids as Python numbers or text."""
    values: list[int] | list[str] = to_column(ids).to_pylist()
    return values


def is_text(ids: Ids) -> bool:
    """Return whether ids are text."""
    return isinstance(ids, TextIds)


def id_keys(ids: Ids) -> npt.NDArray[np.uint64]:
    """Return a key for each id, the input of `hash_keys`, [n].

    A whole number from 0 to 2**32-1 is its own key. Other numbers are mixed, and text is hashed to
    64 bits.
    """
    if isinstance(ids, TextIds):
        return _text_keys(ids.values)[ids.codes]
    keys = ids.astype(np.int64, copy=False).view(np.uint64)
    is_plain = keys < np.uint64(_PLAIN_KEYS)
    return keys if is_plain.all() else np.where(is_plain, keys, mix(keys))


def spread_ids(ids: Ids, num_parts: int) -> npt.NDArray[np.int64]:
    """Return a part for each id, from 0 to num_parts-1, by its hash: equal ids have one part."""
    return (mix(id_keys(ids)) % np.uint64(num_parts)).astype(np.int64)


def _text_keys(values: pa.StringArray) -> npt.NDArray[np.uint64]:
    """Return a 64-bit hash of each text: FNV-1a over its bytes (Fowler, Noll, Vo), then mixed.

    All texts are hashed at once, one byte of each at a time.
    """
    encoded = values.cast(pa.binary())
    lengths = pc.binary_length(encoded).to_numpy(zero_copy_only=False).astype(np.int64)
    keys = np.full(len(values), 0xCBF29CE484222325, np.uint64)
    if not len(values) or not lengths.max():
        return mix(keys)
    _, offsets, data = encoded.buffers()
    characters = np.frombuffer(data, np.uint8)
    starts = np.frombuffer(offsets, np.int32)[encoded.offset :][: len(values)].astype(np.int64)
    for position in range(int(lengths.max())):
        there = np.flatnonzero(lengths > position) if lengths.min() <= position else slice(None)
        byte = characters[starts[there] + position].astype(np.uint64)
        keys[there] = (keys[there] ^ byte) * np.uint64(0x100000001B3)
    return mix(keys)
