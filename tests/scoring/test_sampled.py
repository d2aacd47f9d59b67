"""Samples of a posterior as a saved model: predictions and standard deviations by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from recspark.arrays.user_buckets import Shard
from recspark.models.bayesian_mf import BayesianMF
from recspark.models.spec import ModelSpec
from recspark.models.target import Target
from recspark.saved import over_time as o
from recspark.saved import weights
from recspark.saved.moments import OverTime
from recspark.scoring import trained
from recspark.scoring.block_scorers import ScorerFactory
from recspark.scoring.predictors import UncertainModel

T, F, USERS, MOVIES = 3, 2, 5, 4
MEAN, STD = 3.5, 1.2


def test_predictions_are_means_over_samples_and_spreads_are_those_of_the_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = Target(kind="standardized", mean=MEAN, std=STD)
    spec = ModelSpec(num_movies=MOVIES, embedding_size=F, samples=T, target=target)
    model = BayesianMF(spec)
    rng = np.random.default_rng(0)
    centers, draws = rng.normal(size=(2, USERS, T, F + 1)).astype(np.float32)
    movies = rng.normal(size=(MOVIES, T, F + 1)).astype(np.float32)
    user_noise, movie_noise = rng.uniform(0.5, 2, USERS), rng.uniform(0.5, 2, MOVIES)
    rows = np.hstack([centers.reshape(USERS, -1), draws.reshape(USERS, -1), user_noise[:, None]])
    table = np.hstack([movies.reshape(MOVIES, -1), movie_noise[:, None]])
    model.movies.copy_(torch.from_numpy(table))
    seen_users, seen_movies = torch.ones(USERS, dtype=bool), torch.ones(MOVIES, dtype=bool)
    seen_users[4], seen_movies[3] = False, False
    shard = Shard(num_users=USERS, num_buckets=1, rank=0, num_ranks=1)
    weights.save_users(str(tmp_path), shard, torch.from_numpy(rows).float(), seen_users)
    weights.save_movies(str(tmp_path), model.state_dict(), seen_movies)
    card = {"architecture": "bayesian_mf", "spec": spec.to_card()}
    opened = trained.open_model(str(tmp_path), card)
    assert isinstance(opened, UncertainModel)
    which = np.array([(user, movie) for user in range(USERS) for movie in range(MOVIES)])
    found = opened.predict(0, which[:, 0], which[:, 1])
    of_mean, of_rating = opened.spread(0, which[:, 0], which[:, 1])
    for (user, movie), mean, spread, total in zip(which, found, of_mean, of_rating, strict=True):
        if user == 4 or movie == 3:
            assert np.isnan([mean, spread, total]).all()
            continue

        def outputs(rows: np.ndarray, other: np.ndarray = movies[movie]) -> list[float]:
            return [p[:F] @ q[:F] + p[F] + q[F] for p, q in zip(rows, other, strict=True)]

        assert mean == pytest.approx(MEAN + STD * np.mean(outputs(centers[user])), abs=1e-5)
        variance = np.var(outputs(draws[user]))
        assert spread == pytest.approx(STD * np.sqrt(variance), abs=1e-5)
        noise = user_noise[user] * movie_noise[movie]
        assert total == pytest.approx(STD * np.sqrt(variance + noise), abs=1e-5)
    # In blocks the spread is the same, over time that of no particular moment.
    moving = OverTime({o.PROCESS: np.array([0.3, 60.0])}, lambda bucket: {})
    for times, added in ((None, 0.0), (moving, 0.3)):
        mine = replace(opened, times=times)
        monkeypatch.setattr(trained, "SAMPLED_MOVIES", 2)
        in_block = mine.block_spread(0, np.array([2, 0, 1]), np.array([1, 0, 2]))
        pairs = [(user, movie) for movie in (1, 0, 2) for user in (2, 0, 1)]
        by_pair = mine.spread(0, *np.array(pairs).T)[0].reshape(3, 3)
        np.testing.assert_allclose(in_block, by_pair, rtol=1e-5)
        plain = of_mean[[4 * user + movie for user, movie in pairs]].reshape(3, 3)
        np.testing.assert_allclose(in_block, np.sqrt(plain**2 + added), rtol=1e-5)
    # Cautious lists rank below the mean; lists without caution take the fast way to the same means.
    block = np.empty((3, 4), np.float32)
    for caution in (0.0, 0.7):
        scorer = ScorerFactory(opened, np.arange(3), caution).for_users(0, np.arange(4))
        scorer.fill(slice(0, 3), block)
        expected = (found - caution * of_mean).reshape(USERS, MOVIES)[:4, :3].T
        np.testing.assert_allclose(block, expected, atol=1e-4)
