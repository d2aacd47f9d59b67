from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from recspark.arrays.ratings import NO_TIME
from recspark.scoring import predict
from recspark.scoring.load import SavedModel
from recspark.scoring.predict import Scoring, score_pairs
from recspark.scoring.predictors import EffectModel


class ByTime:
    """Predicts the hour of the time, which it states as its uncertainty too; row 3 is unseen."""

    def predict(self, bucket: int, rows: Any, movies: Any, times: Any = None) -> Any:
        hours = np.where(times == NO_TIME, 2.0, times / 3600)
        return np.where(rows == 3, np.nan, hours)

    def spread(self, bucket: int, rows: Any, movies: Any, times: Any = None) -> Any:
        mean = self.predict(bucket, rows, movies, times)
        return mean / 10, mean

    def block_spread(self, bucket: int, rows: Any, movies: Any) -> Any:
        raise AssertionError("pairs come one by one")


@pytest.fixture
def scoring(monkeypatch: pytest.MonkeyPatch) -> Scoring:
    effects = EffectModel(3.0, np.zeros(9), lambda bucket: np.zeros(9))
    monkeypatch.setattr(predict, "open_model", lambda saved: ByTime())
    monkeypatch.setattr(predict, "open_effects", lambda saved: effects)
    saved = SavedModel("nowhere", "id", 2, None)  # type: ignore[arg-type]
    return Scoring(saved, saved, lowest=1.0, highest=5.0)


def test_times_and_standard_deviations_keep_the_order_of_the_pairs(scoring: Scoring) -> None:
    # Users of both buckets in turn; user 6 has row 3, user -1 and movie -1 are not in the index.
    users = np.array([0, 1, 6, -1, 2, 3])
    movies = np.array([0, 1, 2, 3, -1, 5])
    times = np.array([3, 4, 1, 1, 1, 20], np.int32) * 3600
    times[0] = NO_TIME
    found = score_pairs(scoring, users, movies, times)
    assert found.prediction.to_pylist() == [2.0, 4.0, 3.0, 3.0, 3.0, 5.0]
    assert found.std.to_pylist() == [2.0, 4.0, None, None, None, 20.0]
    assert [one is None for one in found.fallback.to_pylist()] == [
        *(True, True, False, False, False, True),
    ]
