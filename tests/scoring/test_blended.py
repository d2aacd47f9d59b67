"""The blend as a model of pairs, against sums written out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from recspark.scoring.blended import BlendedModel, weigh
from recspark.scoring.block_scorers import ScorerFactory
from recspark.scoring.predictors import EffectModel, FactorModel, Floats

NAN = float("nan")


class Table:
    """Predicts what a table says of row and movie, in a time an hour more."""

    def __init__(self, values: list[list[float]]) -> None:
        self.values = np.array(values)

    def predict(self, bucket: int, rows: Floats, movies: Floats, times: Floats | None = None):
        return self.values[rows, movies] + (0 if times is None else times / 3600)


BIAS = EffectModel(3.0, np.array([0.5, -0.5, NAN]), lambda bucket: np.array([1.0, NAN]))
ROWS, MOVIES = np.array([0, 0, 0, 1, 1]), np.array([0, 1, 2, 0, 2])


def test_a_gap_is_filled_member_by_member_and_clipped_before_it_is_weighed() -> None:
    """All but the last movie: 9 counts as 5; where one has no answer its bias does."""
    first = Table([[2.0, NAN, NAN], [NAN, 1.0, NAN]])
    second = Table([[9.0, 4.0, NAN], [2.5, 1.0, NAN]])
    model = BlendedModel((first, second), (0.5, 2.0), -1.0, BIAS, (1.0, 5.0))
    # Of row 0: mean 3, his effect 1, movie 1's effect −0.5. Row 1 has no effect; movie 0's is 0.5.
    expected = [
        -1 + 0.5 * 2 + 2 * 5,
        -1 + 0.5 * (3 + 1 - 0.5) + 2 * 4,
        NAN,
        -1 + 0.5 * (3 + 0.5) + 2 * 2.5,
        NAN,
    ]
    assert model.predict(0, ROWS, MOVIES) == pytest.approx(expected, nan_ok=True)
    expected[0] += 2 * 4
    assert model.score(0, ROWS, MOVIES) == pytest.approx(expected, nan_ok=True)


def test_members_are_told_the_times() -> None:
    model = BlendedModel((Table([[1.0]]), Table([[2.0]])), (0.5, 0.25), 0.0, BIAS)
    zero = np.array([0])
    found = model.predict(0, zero, zero, np.array([7200]))
    assert found.tolist() == [0.5 * 3 + 0.25 * 4]


def test_the_fallback_is_not_weighed_where_nobody_answers() -> None:
    members = [
        (np.array([1.0, 2.0, 3.0]), np.array([True, False, False])),
        (np.array([4.0, 5.0, 3.0]), np.array([True, True, False])),
    ]
    assert weigh(members, [2.0, 1.0], 0.5) == pytest.approx([6.5, 9.5, NAN], nan_ok=True)


def test_blends_of_factors_and_effects_are_listed_by_one_product() -> None:
    rng = np.random.default_rng(4)
    users = {bucket: rng.normal(size=(5, 3)) for bucket in range(2)}
    factors = FactorModel(rng.normal(size=(7, 3)), users.__getitem__)
    effects = EffectModel(
        2.0, rng.normal(size=7), {0: rng.normal(size=5), 1: np.ones(5)}.__getitem__
    )
    model = BlendedModel((factors, effects), (0.75, -0.5), 0.25, effects, (1.0, 1.5))
    found = model.as_factors()
    assert found is not None
    rows, movies = (grid.ravel() for grid in np.meshgrid(np.arange(5), np.arange(7)))
    for bucket in range(2):
        expected = (
            0.25
            + 0.75
            * np.array(
                [users[bucket][u] @ factors.movies[m] for u, m in zip(rows, movies, strict=True)]
            )
            - 0.5 * effects.predict(bucket, rows, movies)
        )
        np.testing.assert_allclose(found.predict(bucket, rows, movies), expected, rtol=1e-12)
        np.testing.assert_allclose(model.score(bucket, rows, movies), expected, rtol=1e-5)
        block = np.zeros((3, 2), np.float32)
        lister = ScorerFactory(model, np.array([6, 2, 4])).for_users(bucket, np.array([3, 1]))
        lister.fill(slice(0, 3), block)
        wanted = expected.reshape(7, 5)[np.ix_([6, 2, 4], [3, 1])]
        np.testing.assert_allclose(block, wanted, rtol=1e-5)


def test_one_member_of_another_kind_makes_lists_pair_by_pair() -> None:
    factors = FactorModel(np.ones((3, 1)), lambda bucket: np.ones((2, 1)))
    table = Table([[2.0, 9.0, NAN], [1.0, 1.0, NAN]])
    model = BlendedModel((factors, table), (1.0, 1.0), 0.0, BIAS, (1.0, 5.0))
    assert model.as_factors() is None
    block = np.zeros((2, 2), np.float32)
    ScorerFactory(model, np.array([0, 1])).for_users(0, np.array([0, 1])).fill(slice(0, 2), block)
    assert block.tolist() == [[3, 2], [10, 2]]
