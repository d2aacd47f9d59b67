"""Users from their histories alone, against their trained rows and against dense matrices."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from recspark.config.sampler import SamplerConfig
from recspark.datasets.histories import Histories
from recspark.errors import ConfigError
from recspark.scoring.trained import open_model
from recspark.training.fold_in import open_fold_in
from recspark.training.ials_reasons import open_explain
from recspark.training.job import TrainJob
from tests.training.jobs import NUM_BUCKETS, NUM_USERS, make_job, train_alone
from tests.training.rankers import IALS, VAE, histories_of, make_ranker, weight_matrix

ALS: dict[str, Any] = {"optimizer": "als", "reg": 0.08, "bias_reg": 0.03, "init_scale": 0.3}
BAYES: dict[str, Any] = {"architecture": "bayesian_mf", "epochs": 10, "init_scale": 0.3}
BAYES |= {"sampler": SamplerConfig(burn_in=4, samples=3)}


def card_of(job: TrainJob) -> dict[str, Any]:
    return dict(json.loads((Path(job.folder) / "model.json").read_text()))


def trained_rows(job: TrainJob) -> np.ndarray:
    """Return the rows of all users by which scoring predicts."""
    model = open_model(job.folder, card_of(job))
    rows = [model.open_users(user % NUM_BUCKETS)[user // NUM_BUCKETS] for user in range(NUM_USERS)]
    return np.array(rows)


@pytest.mark.parametrize("settings", [IALS, VAE, ALS], ids=["ials", "mult_vae", "mf_als"])
def test_a_users_own_history_gives_his_trained_row(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    make = make_job if settings is ALS else make_ranker
    job = train_alone(replace(make(tmp_path, **settings), valid_rows={}), tmp_path / "m")
    expected = trained_rows(job)
    assert 0 < np.isnan(expected[:, 0]).sum() < 10 or settings is ALS
    found = open_fold_in(job.folder, card_of(job))(histories_of(job))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_movies_that_the_model_does_not_know_and_empty_histories_say_nothing(
    tmp_path: Path,
) -> None:
    job = make_ranker(tmp_path, **IALS)
    job = train_alone(
        replace(job, facts=replace(job.facts, num_movies=job.facts.num_movies + 1)), tmp_path / "m"
    )
    histories = Histories(
        np.array([0, 2, 2, 5, 6]),
        np.array([3, 5, 3, 5, 17, 17], np.int32),
        np.array([4, 5, 4, 5, 5, 5], np.float32),
    )
    found = open_fold_in(job.folder, card_of(job))(histories)
    assert np.isnan(found).all(axis=1).tolist() == [False, True, False, True]
    np.testing.assert_array_equal(found[0], found[2])


def test_a_history_is_averaged_over_the_samples_of_a_posterior(tmp_path: Path) -> None:
    job = train_alone(make_job(tmp_path, **BAYES), tmp_path / "m")
    movies = load_file(Path(job.folder) / "movies.safetensors")["movies"].astype(float)
    users = []
    for bucket in range(NUM_BUCKETS):
        tensors = load_file(Path(job.folder) / "users" / f"bucket-{bucket:05d}.safetensors")
        users.append(tensors["rows"][tensors["seen"].astype(bool)].astype(float))
    drawn = np.concatenate(users)
    noise = drawn[:, -1].mean() * movies[:, -1]
    histories = histories_of(job)
    span = slice(histories.starts[7], histories.starts[8])
    rated, ratings = histories.movies[span], histories.ratings[span] - 3.5
    scores = []
    for sample in range(3):
        draws = drawn[:, 15 + 5 * sample : 20 + 5 * sample]
        mean = draws.mean(axis=0)
        covariance = ((draws - mean).T @ (draws - mean) + np.eye(5)) / (len(draws) + 1)
        q = movies[:, 5 * sample : 5 * sample + 5]
        v = np.column_stack([q[rated, :4], np.ones(len(rated))])
        prior = np.linalg.inv(covariance)
        matrix = prior + v.T @ (v / noise[rated, None])
        row = np.linalg.solve(matrix, prior @ mean + v.T @ ((ratings - q[rated, 4]) / noise[rated]))
        scores.append(3.5 + q[:, :4] @ row[:4] + row[4] + q[:, 4])
    found = open_fold_in(job.folder, card_of(job))(histories)
    model = open_model(job.folder, card_of(job))
    np.testing.assert_allclose(found[7] @ model.movies.T, np.mean(scores, axis=0), atol=1e-4)
    known = ~np.isnan(found[:, 0])
    mine, theirs = (rows[known] @ model.movies.T for rows in (found, trained_rows(job)))
    assert np.corrcoef(mine.ravel(), theirs.ravel())[0, 1] > 0.97


def test_models_without_fold_in_say_so(tmp_path: Path) -> None:
    job = train_alone(make_job(tmp_path, epochs=1), tmp_path / "m")
    with pytest.raises(ConfigError, match="found biased_mf by adam, expected a model that answers"):
        open_fold_in(job.folder, card_of(job))


def test_reasons_sum_to_the_score_and_are_those_of_each_movie_alone(tmp_path: Path) -> None:
    job = train_alone(replace(make_ranker(tmp_path, **IALS), valid_rows={}), tmp_path / "m")
    model = open_model(job.folder, card_of(job))
    rows, explain = trained_rows(job), open_explain(job.folder, card_of(job))
    weights, listed = weight_matrix(job), np.array([0, 4, 9])
    h = np.asarray(model.movies)[:, :3].astype(float)
    for user in (3, 20, 41):
        movies, values = explain(histories_of(job), user, listed)
        assert movies.tolist() == np.flatnonzero(weights[user]).tolist()
        expected = rows[user] @ model.movies[listed].T
        np.testing.assert_allclose(values.sum(axis=1), expected, atol=1e-5)
        matrix = h.T @ np.diag(weights[user] + 0.2) @ h
        num_movies = (weights > 0).any(axis=0).sum()
        matrix += 0.05 * (len(movies) + 0.2 * num_movies) * np.eye(3)
        for place, movie in enumerate(movies):
            alone = h[listed] @ np.linalg.solve(matrix, weights[user, movie] * h[movie])
            np.testing.assert_allclose(values[:, place], alone, atol=1e-5)
