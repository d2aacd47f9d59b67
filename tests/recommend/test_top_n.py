from __future__ import annotations

import numpy as np
import pytest

from recspark.recommend import top_n
from recspark.recommend.top_n import CHUNK, RunningTop, padded, score_blocks
from recspark.scoring.predictors import NOTHING


def sorted_lists(scores: np.ndarray, count: int) -> list[tuple[int, int, int, float]]:
    """Return (user, rank, movie, score) by fully sorting every row of [movies, users]."""
    found = []
    for user in range(scores.shape[1]):
        row = sorted((-float(s), movie) for movie, s in enumerate(scores[:, user]) if s > NOTHING)
        found += [(user, rank, m, -s) for rank, (s, m) in enumerate(row[:count], start=1)]
    return found


@pytest.mark.parametrize(("num_blocks", "num_chunks"), [(1, 3), (3, 3), (1, 70), (3, 20)])
@pytest.mark.parametrize("count", [1, 10, 64, 200])
@pytest.mark.parametrize("kind", ["floats", "ties", "hidden"])
def test_lists_are_those_of_a_full_sort(
    num_blocks: int, num_chunks: int, count: int, kind: str
) -> None:
    rng = np.random.default_rng(count)
    scores = rng.normal(size=(num_blocks * num_chunks * CHUNK, 7)).astype(np.float32)
    if kind == "ties":
        scores = np.round(scores)
    if kind == "hidden":  # one user has seen all, one all but two, the others most
        scores[rng.random(scores.shape) < 0.8] = NOTHING
        scores[:, 0], scores[2:, 1] = NOTHING, NOTHING
        scores[:2, 1] = 1.0
    top = RunningTop(7, count)
    for number, block in enumerate(np.split(scores, num_blocks)):
        top.add(np.ascontiguousarray(block), number * num_chunks * CHUNK)
    found = list(zip(*(column.tolist() for column in top.lists()), strict=True))
    assert found == sorted_lists(scores, count)


def test_blocks_are_padded_to_whole_chunks() -> None:
    assert [padded(n) for n in (0, 1, CHUNK, CHUNK + 1)] == [0, CHUNK, CHUNK, 2 * CHUNK]


def test_blocks_hold_every_score_once_but_hidden_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(top_n, "MOVIE_BLOCK", CHUNK)
    scores = np.random.default_rng(2).normal(size=(2 * CHUNK + 5, 3)).astype(np.float32)
    owners, hidden = np.array([0, 2, 2]), np.array([CHUNK, 7, 2 * CHUNK + 4])
    found = [
        block[: movies.stop - movies.start].copy()
        for movies, block in score_blocks(
            lambda movies, into: np.copyto(into, scores[movies]), len(scores), 3, owners, hidden
        )
        if (block[movies.stop - movies.start :] == NOTHING).all()
    ]
    assert [len(one) for one in found] == [CHUNK, CHUNK, 5]
    scores[hidden, owners] = NOTHING
    np.testing.assert_array_equal(np.concatenate(found), scores)
