from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from recspark.config import RecommendConfig
from recspark.errors import ConfigError
from recspark.recommend.caution import require_caution
from recspark.scoring.block_scorers import ScorerFactory
from recspark.scoring.predictors import NOTHING, FactorModel

MEAN = np.array([[3.0, 4.0, 3.5], [2.0, np.nan, 5.0]])
STD = np.array([[0.1, 1.5, 0.5], [1.0, 1.0, 0.25]], np.float32)
ALL = np.array([0, 1, 2])


class Uncertain:
    """Predicts MEAN for row and movie, known to STD; the rating itself is off by 9."""

    def predict(self, bucket: int, rows: Any, movies: Any, times: Any = None) -> Any:
        return MEAN[rows, movies]

    def spread(self, bucket: int, rows: Any, movies: Any, times: Any = None) -> Any:
        return STD[rows, movies], np.full(len(rows), 9.0)

    def block_spread(self, bucket: int, rows: Any, movies: Any) -> Any:
        return STD[np.ix_(rows, movies)].T


@pytest.mark.parametrize(
    ("caution", "expected"),
    [
        (0.0, [[3.0, 2.0], [4.0, NOTHING], [3.5, 5.0]]),
        (1.0, [[2.9, 1.0], [2.5, NOTHING], [3.0, 4.75]]),
        (2.0, [[2.8, 0.0], [1.0, NOTHING], [2.5, 4.5]]),
    ],
)
def test_scores_are_the_mean_less_caution_times_its_deviation(
    caution: float, expected: list[list[float]]
) -> None:
    block = np.zeros((3, 2), np.float32)
    ScorerFactory(Uncertain(), ALL, caution).for_users(0, np.array([0, 1])).fill(slice(0, 3), block)
    np.testing.assert_allclose(block, expected, rtol=1e-6)


class UncertainFactors(FactorModel):
    """Inner products whose deviation is the row's number."""

    def spread(self, bucket: int, rows: Any, movies: Any, times: Any = None) -> Any:
        return rows.astype(float), rows.astype(float)

    def block_spread(self, bucket: int, rows: Any, movies: Any) -> Any:
        return np.tile(rows.astype(np.float32), (len(movies), 1))


def test_caution_is_taken_from_the_products() -> None:
    model = UncertainFactors(np.array([[1.0], [2.0], [3.0]]), lambda bucket: np.array([[1.0], [2]]))
    plain, cautious = (
        ScorerFactory(model, ALL, caution).for_users(0, np.array([0, 1])) for caution in (0.0, 0.5)
    )
    block = np.zeros((3, 2), np.float32)
    plain.fill(slice(0, 3), block)
    assert block.tolist() == [[1, 2], [2, 4], [3, 6]]
    cautious.fill(slice(0, 3), block)
    assert block.tolist() == [[1, 1.5], [2, 3.5], [3, 5.5]]


def test_caution_takes_a_model_that_says_how_far_off_it_is() -> None:
    require_caution(Uncertain(), "sure", 1.0)
    factors = FactorModel(np.ones((3, 1)), lambda bucket: np.ones((2, 1)))
    message = (
        r"caution: found 0\.5, and als, a model that states .*Remove als from recommend\.models"
    )
    with pytest.raises(ConfigError, match=message):
        require_caution(factors, "als", 0.5)


@pytest.mark.parametrize("caution", [-0.1, float("nan"), float("inf")])
def test_caution_is_a_number_of_0_or_more(caution: float) -> None:
    with pytest.raises(ConfigError, match=r"recommend\.caution: found .* a number of 0 or more"):
        RecommendConfig(caution=caution)
