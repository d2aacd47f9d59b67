from __future__ import annotations

import numpy as np
import pytest

from recspark.recommend import co_rated
from recspark.recommend.co_rated import nearest_by_weights
from recspark.saved.items import SparseWeights


@pytest.mark.parametrize("is_sparse", [False, True])
@pytest.mark.parametrize("at_a_time", [1, 1000])
def test_lists_are_the_highest_weights_above_0_for_how_often_movies_were_rated(
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
    num_ratings = rng.integers(1, 400, len(listed))
    found: dict[int, list[tuple[int, float]]] = {}
    result = nearest_by_weights(weights, listed, num_ratings, asked, 4)
    for place, rank, position, weight in zip(*(one.tolist() for one in result), strict=True):
        entries = found.setdefault(place, [])
        entries.append((position, weight))
        assert rank == len(entries)
    expected = {}
    for place, position in enumerate(asked):
        ratio = (num_ratings[position] + 30) / (np.bincount(listed, num_ratings, 90) + 30)
        row = dense[listed[position]] * np.sqrt(ratio)
        others = sorted((-row[one], at) for at, one in enumerate(listed) if at != position)
        expected[place] = [(at, -negative) for negative, at in others[:4] if negative < 0]
    expected = {place: entries for place, entries in expected.items() if entries}
    assert found.keys() == expected.keys()
    for place, entries in expected.items():
        assert [at for at, _ in found[place]] == [at for at, _ in entries]
        assert [x for _, x in found[place]] == pytest.approx([x for _, x in entries], rel=1e-5)
    assert {len(entries) for entries in expected.values()} >= {1, 2, 3, 4}
