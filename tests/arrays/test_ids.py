from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from recspark.arrays.ids import (
    TextIds,
    concatenate_ids,
    from_arrow,
    id_keys,
    to_arrow,
    to_list,
)

TEXTS = st.lists(st.text(max_size=4), max_size=20)
NUMBERS = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20)


@given(first=TEXTS, second=TEXTS)
def test_texts_stay_what_they_are(first: list[str], second: list[str]) -> None:
    ids = concatenate_ids([TextIds.of(first), TextIds.of(second)])
    assert to_list(ids) == first + second
    assert to_list(from_arrow(to_arrow(ids))) == first + second
    assert to_list(from_arrow(pa.chunked_array([first, second], pa.string()))) == first + second
    assert to_list(ids[np.arange(len(ids)) % 2 == 0]) == (first + second)[::2]


@given(ids=NUMBERS)
def test_numbers_stay_what_they_are(ids: list[int]) -> None:
    array = np.array(ids, np.int64)
    assert to_list(from_arrow(to_arrow(array))) == ids


def fnv_1a(text: str) -> int:
    """The hash as its authors define it."""
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = ((value ^ byte) * 0x100000001B3) % 2**64
    return value


def split_mix(value: int) -> int:
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB % 2**64
    return value ^ (value >> 31)


@given(texts=TEXTS)
def test_key_of_a_text_is_its_hash(texts: list[str]) -> None:
    positions = np.arange(len(texts), dtype=np.int32)
    sliced = TextIds(positions, pa.array(["before", *texts]).slice(1))
    for ids in (TextIds.of(texts), sliced):
        assert id_keys(ids).tolist() == [split_mix(fnv_1a(text)) for text in texts]


@given(ids=NUMBERS)
def test_small_numbers_are_their_own_keys(ids: list[int]) -> None:
    wanted = [x if 0 <= x < 2**32 else split_mix(x % 2**64) for x in ids]
    assert id_keys(np.array(ids, np.int64)).tolist() == wanted
