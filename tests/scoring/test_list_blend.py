"""The blend of lists against z-scores written out with NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from recspark.datasets.histories import Histories
from recspark.scoring import list_blend
from recspark.scoring.block_scorers import ScorerFactory
from recspark.scoring.list_blend import ListBlendModel
from recspark.scoring.predictors import NOTHING, FactorModel, ListModel

NUM_USERS, NUM_MOVIES = 9, 40
RNG = np.random.default_rng(8)
# Movies 5 and 31 have no rating in train, although the first model answers for them.
IN_TRAIN = np.setdiff1d(np.arange(NUM_MOVIES), [5, 31])
SEEN = RNG.random((NUM_USERS, NUM_MOVIES)) < 0.3
SEEN[3] = True  # one who saw everything
FIRST = RNG.normal(3, 0.5, (NUM_USERS, NUM_MOVIES))
SECOND = np.where(RNG.random(FIRST.shape) < 0.4, np.nan, RNG.normal(0, 20, FIRST.shape))
SECOND[0] = np.nan  # one of whom this model knows nothing
SECOND[8] = 7.25  # one to whom all is one
WEIGHTS = (1.0, 2.5)


class Table:
    """Predicts what a table says of row and movie; it has no factors."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values.astype(np.float32)

    def predict(self, bucket: int, rows: Any, movies: Any, times: Any = None) -> Any:
        return self.values[rows, movies]


def make(weights: tuple[float, ...] = WEIGHTS, **changes: np.ndarray) -> ListBlendModel:
    factors = FactorModel(np.eye(NUM_MOVIES), lambda _: FIRST.astype(np.float32))
    first = Table(changes["first"]) if "first" in changes else factors
    users, movies = np.nonzero(SEEN)
    ratings = np.ones(len(users), np.float32)
    histories = Histories.group(users, movies.astype(np.int32), ratings, NUM_USERS)
    members = first, Table(changes.get("second", SECOND))
    return ListBlendModel(members, weights, IN_TRAIN, lambda _: histories)


def z_scores(table: np.ndarray, user: int, weight: float) -> np.ndarray:
    """Return the weighted z-scores of one user, [movies]; what has no answer has the lowest."""
    scores = table[user].astype(np.float32).astype(float)
    unseen = IN_TRAIN[~SEEN[user, IN_TRAIN]]
    if np.isnan(scores[unseen]).all():
        return np.zeros(NUM_MOVIES)
    scores = np.where(np.isnan(scores), np.nanmin(scores[unseen]), scores)
    deviation = scores[unseen].std()
    return weight * (scores - scores[unseen].mean()) / deviation if deviation else 0 * scores


def expected() -> np.ndarray:
    """Return the sums of all users and movies; NaN where there is no answer."""
    total = np.array(
        [
            z_scores(FIRST, user, WEIGHTS[0]) + z_scores(SECOND, user, WEIGHTS[1])
            for user in range(NUM_USERS)
        ]
    )
    total[:, [5, 31]] = np.nan
    return total


@pytest.fixture(params=[32_768, 16])
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """All movies in one block, and in three."""
    monkeypatch.setattr(list_blend, "BLOCK_MOVIES", request.param)


@pytest.mark.parametrize("candidates", [IN_TRAIN, np.arange(1, 33, 2)], ids=["all", "some"])
def test_lists_are_ranked_by_the_sum_of_z_scores(blocks: None, candidates: np.ndarray) -> None:
    rows = np.array([8, 0, 4, 1])
    scorer = ScorerFactory(make(), candidates).for_users(0, rows)
    for part in (slice(0, 9), slice(9, len(candidates))):
        chosen = candidates[part]
        block = np.full((len(chosen), len(rows)), 99, np.float32)
        scorer.fill(part, block)
        wanted = np.nan_to_num(expected()[np.ix_(rows, chosen)].T, nan=NOTHING)
        np.testing.assert_allclose(block, wanted, atol=2e-5)


def test_pairs_have_the_same_scores_also_of_seen_movies(
    blocks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_blend, "_USERS", 4)
    rows, movies = (one.ravel() for one in np.meshgrid(np.arange(9), np.arange(NUM_MOVIES)))
    order = RNG.permutation(len(rows))
    rows, movies = rows[order], movies[order]
    kept = rows != 3
    found = make().predict(0, rows, movies, np.arange(len(rows)))
    np.testing.assert_allclose(found[kept], expected()[rows, movies][kept], atol=2e-5)
    nobody = np.zeros(0, np.int64)
    assert make().predict(0, nobody, nobody).shape == (0,)


def test_who_has_seen_every_movie_has_no_z_scores(blocks: None) -> None:
    found = make().predict(0, np.full(2, 3), np.array([0, 5]))
    assert found[0] == 0
    assert np.isnan(found[1])


def test_gaps_of_both_models_are_filled(blocks: None) -> None:
    first = np.where(RNG.random(FIRST.shape) < 0.3, np.nan, FIRST)
    rows = np.array([1, 2, 4, 5, 6, 7])
    sums = [z_scores(first, user, 1.5) + z_scores(SECOND, user, 0.5) for user in rows]
    wanted = np.where(np.isnan(first[rows]) & np.isnan(SECOND[rows]), NOTHING, sums)[:, IN_TRAIN]
    assert 5 < np.isinf(wanted).sum() < 60
    block = np.empty((len(IN_TRAIN), len(rows)), np.float32)
    scorer = ScorerFactory(make((1.5, 0.5), first=first), IN_TRAIN).for_users(0, rows)
    scorer.fill(slice(0, len(IN_TRAIN)), block)
    np.testing.assert_allclose(block, wanted.T, atol=2e-5)


def test_no_answer_of_one_model_is_its_lowest_score_and_of_all_none(blocks: None) -> None:
    user = 4
    first, second = FIRST.copy(), np.where(np.isnan(SECOND), 1.0, SECOND)
    nobody, one, low = IN_TRAIN[~SEEN[user, IN_TRAIN]][:3]
    first[user, nobody] = second[user, nobody] = second[user, one] = np.nan
    second[user, low] = -1000
    model = make((0.0, 1.0), first=first, second=second)
    block = np.zeros((len(IN_TRAIN), 1), np.float32)
    scorer = ScorerFactory(model, IN_TRAIN).for_users(0, np.array([user]))
    scorer.fill(slice(0, len(IN_TRAIN)), block)
    found = dict(zip(IN_TRAIN.tolist(), block[:, 0].tolist(), strict=True))
    assert found[nobody] == NOTHING
    assert found[one] == found[low] == min(score for score in found.values() if score > NOTHING)
    assert np.isnan(model.predict(0, np.array([user]), np.array([nobody]))).all()


def test_a_large_mean_hides_no_difference() -> None:
    """Scores near 4,000 that differ by hundredths, in float32."""
    first = (4000 + 0.01 * RNG.permuted(np.tile(np.arange(NUM_MOVIES), (9, 1)), axis=1)).astype(
        np.float32
    )
    model = make((1.0, 0.0), first=first)
    found = model.predict(0, np.full(len(IN_TRAIN), 4), IN_TRAIN)
    np.testing.assert_allclose(found, z_scores(first, 4, 1.0)[IN_TRAIN], rtol=1e-6, atol=1e-6)


def test_a_blend_of_lists_is_a_list_model() -> None:
    assert isinstance(make(), ListModel)
    assert not isinstance(Table(FIRST), ListModel)
