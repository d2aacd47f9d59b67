from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recspark.arrays import lookup as module
from recspark.arrays.ids import TextIds
from recspark.arrays.lookup import Lookup

IDS = st.lists(st.integers(-(2**63), 2**63 - 1), unique=True, max_size=30)


@pytest.mark.parametrize("max_dense_id", [0, 10_000_000])
@given(ordered=st.lists(st.integers(0, 500), unique=True), asked=st.lists(st.integers(-9, 600)))
def test_find_gives_the_position_or_minus_one(
    max_dense_id: int, ordered: list[int], asked: list[int]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MAX_DENSE_ID", max_dense_id)
        found = Lookup.of(np.array(ordered, dtype=np.int64)).find(np.array(asked, dtype=np.int64))
    assert found.tolist() == [ordered.index(i) if i in ordered else -1 for i in asked]


@given(ordered=IDS)
def test_huge_ids_use_binary_search(ordered: list[int]) -> None:
    ids = np.array(ordered, dtype=np.int64)
    assert Lookup.of(ids).find(ids).tolist() == list(range(len(ordered)))


@given(ordered=st.lists(st.text(max_size=3), unique=True), asked=st.lists(st.text(max_size=3)))
def test_text_is_found_as_well(ordered: list[str], asked: list[str]) -> None:
    found = Lookup.of(TextIds.of(ordered)).find(TextIds.of(asked + ordered[::2]))
    assert found.tolist() == [
        ordered.index(i) if i in ordered else -1 for i in asked + ordered[::2]
    ]


def test_text_may_name_a_whole_number_and_the_other_way_round() -> None:
    whole = Lookup.of(np.array([7, -3, 10**12]))
    text = TextIds.of(["x", "7", "007", "1000000000000", "-3", "8", "99999999999999999999"])
    assert whole.find(text).tolist() == [-1, 0, -1, 2, 1, -1, -1]
    assert Lookup.of(TextIds.of(["b", "7"])).find(np.array([7, 8])).tolist() == [1, -1]
