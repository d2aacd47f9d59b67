from __future__ import annotations

import numpy as np
import pytest

from recspark.recommend import co_rated
from recspark.recommend.co_rated import nearest_by_weights
from recspark.saved.items import SparseWeights


@pytest.mark.parametrize("is_sparse", [False, True])
@pytest.mark.parametrize("at_a_time", [1, 1000])
def test_lists_are_the_highest_weights_above_0(
    is_sparse: bool, at_a_time: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(co_rated, "_WEIGHTS", at_a_time)
    rng = np.random.default_rng(4)
    dense = np.round(rng.normal(-1.8, 1, size=(90, 90)), 1).astype(np.float32)
    weights: np.ndarray | SparseWeights = dense
    if is_sparse:
        rows, movies = np.nonzero(dense)
        starts = np.searchsorted(rows, np.arange(91))
        weights = SparseWeights(starts, movies.astype(np.int32), dense[rows, movies])
    listed, asked = np.flatnonzero(rng.random(90) < 0.9), np.arange(3, 20)
    found: dict[int, list[tuple[int, float]]] = {}
    result = nearest_by_weights(weights, listed, asked, 4)
    for place, rank, position, weight in zip(*(one.tolist() for one in result), strict=True):
        entries = found.setdefault(place, [])
        entries.append((position, weight))
        assert rank == len(entries)
    expected = {}
    for place, position in enumerate(asked):
        row = dense[listed[position]]
        others = sorted((-row[one], at) for at, one in enumerate(listed) if at != position)
        expected[place] = [(at, float(-negative)) for negative, at in others[:4] if negative < 0]
    assert found == {place: entries for place, entries in expected.items() if entries}
    assert {len(entries) for entries in expected.values()} >= {1, 2, 3, 4}
