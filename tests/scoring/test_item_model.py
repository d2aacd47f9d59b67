"""Scores from histories, against dense products."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from recspark.datasets.histories import Histories
from recspark.datasets.signal import Signal
from recspark.saved.items import SparseWeights
from recspark.scoring import item_loops, item_model
from recspark.scoring.block_scorers import ScorerFactory
from recspark.scoring.item_model import ItemModel
from recspark.scoring.predictors import NOTHING

NUM_MOVIES = 5000  # more than two tiles
SIGNAL = Signal((1.0, 5.0), (0.0, 2.0))
RNG = np.random.default_rng(4)
WEIGHTS = np.where(RNG.random((NUM_MOVIES, NUM_MOVIES)) < 0.1, RNG.normal(size=NUM_MOVIES), 0)
WEIGHTS = WEIGHTS.astype(np.float32)
WEIGHTS[:, 17] = 0
LENGTHS = [7, 0, 29, 8, 1]  # about eight, which dense weights are added by
ROWS = np.repeat(np.arange(5), LENGTHS)
MOVIES = np.concatenate([RNG.choice(NUM_MOVIES, size, False) for size in LENGTHS])
RATINGS = RNG.integers(2, 6, len(ROWS)).astype(np.float32)
RATINGS[-1] = 1  # the last user's only rating weighs nothing
HISTORIES = Histories.group(ROWS, MOVIES.astype(np.int32), RATINGS, 5)


def expected() -> np.ndarray:
    x = np.zeros((5, NUM_MOVIES))
    x[ROWS, MOVIES] = (RATINGS - 1) / 2
    scores = x @ WEIGHTS.astype(np.float64)
    return np.where(x.astype(bool) @ (WEIGHTS != 0) > 0, scores, np.nan)


EXPECTED = expected()


def model(kind: str, weights: np.ndarray = WEIGHTS) -> ItemModel:
    if kind == "dense":
        return ItemModel(weights, SIGNAL, lambda bucket: HISTORIES)
    table = sparse.csr_matrix(weights)
    stored = SparseWeights(table.indptr.astype(np.int64), table.indices, table.data)
    return ItemModel(stored, SIGNAL, lambda bucket: HISTORIES)


KINDS = pytest.mark.parametrize("kind", ["dense", "sparse"])


@KINDS
@pytest.mark.parametrize("candidates", [np.arange(NUM_MOVIES), np.array([0, 17, 2047, 2048, 4999])])
def test_scores_are_the_product_of_history_and_weights(kind: str, candidates: np.ndarray) -> None:
    found = model(kind).score(HISTORIES, candidates)
    np.testing.assert_allclose(found, EXPECTED[:, candidates], rtol=1e-4, atol=1e-5)
    assert np.isnan(found[[1, 4]]).all()
    assert np.isnan(found[:, candidates == 17]).all()


@KINDS
def test_blocks_of_lists_hold_the_same_scores(kind: str) -> None:
    candidates, rows = np.array([2, 17, 400, 4000, 4999]), np.array([3, 1, 0])
    block = np.zeros((3, 3), np.float32)
    ScorerFactory(model(kind), candidates).for_users(0, rows).fill(slice(1, 4), block)
    wanted = np.nan_to_num(EXPECTED[np.ix_(rows, candidates[1:4])].T, nan=NOTHING)
    np.testing.assert_allclose(block, wanted, rtol=1e-4, atol=1e-5)


@KINDS
def test_pairs_have_the_same_scores(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_model, "_CONTRIBUTIONS", 30)  # pairs come in parts
    rows = RNG.integers(0, 5, 300)
    movies = np.where(rows == 0, 17, RNG.integers(0, NUM_MOVIES, 300))
    found = model(kind).predict(0, rows, movies)
    np.testing.assert_allclose(found, EXPECTED[rows, movies], rtol=1e-4, atol=1e-5)
    assert np.isnan(found).any()
    assert not np.isnan(found).all()
    assert len(model(kind).predict(0, rows[:0], movies[:0])) == 0


@KINDS
def test_reasons_sum_to_the_score(kind: str) -> None:
    rows, movies = np.array([2, 1, 0, 2, 3, 4]), np.array([9, 9, 4000, 17, 2048, 0])
    found = model(kind).explain(HISTORIES, rows, movies)
    for pair, (row, movie) in enumerate(zip(rows, movies, strict=True)):
        part = slice(found.starts[pair], found.starts[pair + 1])
        rated = np.sort(MOVIES[(row == ROWS) & (RATINGS > 1)])
        assert found.movies[part].tolist() == rated.tolist()
        weight = {int(m): (r - 1) / 2 for m, r in zip(MOVIES, RATINGS, strict=True)}
        wanted = [weight[m] * WEIGHTS[m, movie] for m in rated.tolist()]
        np.testing.assert_allclose(found.values[part], wanted, rtol=1e-5)
        total = np.nan_to_num(EXPECTED[row, movie])
        assert found.values[part].sum() == pytest.approx(total, rel=1e-4, abs=1e-5)


@KINDS
def test_reasons_end_with_the_row_of_their_movie(kind: str) -> None:
    """Movies 0 and 1 have one weight each, stored side by side: 2 for movie 1, 5 for movie 3."""
    weights = np.zeros((4, 4), np.float32)
    weights[0, 1], weights[1, 3] = 2, 5
    rated = np.array([0, 1], np.int32), np.array([5, 3], np.float32)  # which weigh 2 and 1
    one = Histories.group(np.zeros(2, int), *rated, 1)
    found = model(kind, weights).explain(one, np.zeros(3, int), np.array([1, 2, 3]))
    assert found.values.tolist() == [4, 0, 0, 0, 0, 5]


def test_tiles_end_inside_the_catalogue() -> None:
    assert 2 * item_loops._TILE < NUM_MOVIES


def test_tiles_stay_within_their_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    """Uncompiled, a column beyond the sums is an error; three movies make two tiles of two."""
    monkeypatch.setattr(item_loops, "_TILE", 2)
    weights = np.arange(9, dtype=np.float32).reshape(3, 3)
    history = np.array([0, 1]), np.array([1], np.int32), np.array([2], np.float32)
    into = np.zeros((3, 1), np.float32)
    candidates = np.arange(3, dtype=np.int32)
    item_loops.fill_dense.py_func(*history, weights, candidates, np.nan, into)
    assert into.tolist() == [[6], [8], [10]]
