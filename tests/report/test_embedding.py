from __future__ import annotations

import numpy as np
import pytest

from recspark.report.embedding import Embedding, find_neighbors, project


def test_map_equals_numpy_svd() -> None:
    vectors = np.random.default_rng(0).normal(size=(300, 7)) @ np.diag([5, 3, 1, 1, 1, 1, 1])
    points, shares = project(vectors.astype(np.float32))
    centred = vectors - vectors.mean(axis=0)
    _, values, directions = np.linalg.svd(centred, full_matrices=False)
    wanted = centred @ directions[:2].T
    for axis in range(2):
        turned = wanted[:, axis] * np.sign(wanted[0, axis] * points[0, axis])
        assert points[:, axis] == pytest.approx(turned, abs=1e-4)
    assert shares == pytest.approx((values**2 / (values**2).sum())[:2].tolist(), abs=1e-6)


@pytest.mark.parametrize("vectors", [np.ones((5, 3)), np.arange(4.0)[:, None]])
def test_flat_embeddings_have_a_map(vectors: np.ndarray) -> None:
    points, shares = project(vectors)
    assert points.shape == (len(vectors), 2)
    assert np.isfinite(points).all()
    assert all(0 <= share <= 1 for share in shares)


def test_neighbours_equal_those_by_numpy() -> None:
    vectors = np.random.default_rng(2).normal(size=(40, 5)).astype(np.float32)
    rows = np.arange(40) * 3  # movie indexes with gaps
    found = find_neighbors(Embedding("mf", rows, vectors), 4, 3)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for place, (movie, entries) in enumerate(found):
        assert movie == rows[place]
        cosines = units @ units[place]
        cosines[place] = -2
        best = np.argsort(-cosines)[:3]
        assert [one for one, _ in entries] == rows[best].tolist()
        assert [value for _, value in entries] == pytest.approx(cosines[best].tolist(), abs=1e-5)
