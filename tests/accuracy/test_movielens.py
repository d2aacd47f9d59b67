"""RMSE and NDCG of presets on MovieLens-100K, fold u1: they may not slip beyond a band."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recspark.config.load import load_model_configs
from recspark.datasets.signal import Signal
from recspark.files import json_files
from recspark.scoring.predictors import FactorModel
from recspark.scoring.trained import open_model
from recspark.training.job import TrainJob
from scripts.training_job import make_job
from tests.training.jobs import as_rank, train_rank, write_bucket

NUM_USERS, NUM_MOVIES, NUM_BUCKETS, NUM_TEST = 943, 1682, 4, 20_000
SLIP, NDCG_SLIP = 0.003, 0.01
# Preset, further options, RMSE of the test ratings that it can answer.
REACHED = [
    pytest.param("bayesian_mf_interactions", [], 0.8825, id="interactions"),
    *(
        pytest.param(preset, options, reached, id=preset, marks=pytest.mark.slow)
        for preset, options, reached in (
            ("bayesian_mf", [], 0.9019),
            ("bayesian_mf_full", ["--train.sampler.attributes", "false"], 0.8705),
            ("mf_als", [], 0.9247),
            ("biased_mf", [], 0.9250),
        )
    ),
]


# Preset, NDCG@10 over all movies of train, relevant from 4 stars on.
RANKED = [
    pytest.param("ials", 0.482, id="ials", marks=pytest.mark.slow),
    pytest.param("mult_vae", 0.456, id="mult_vae", marks=pytest.mark.slow),
]


@pytest.fixture(scope="module")
def job(ratings: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> TrainJob:
    """Train on everything but u1's test; a twentieth of that is valid."""
    root = tmp_path_factory.mktemp("u1")
    rest = ratings[NUM_TEST:]
    is_valid = np.random.default_rng(0).random(len(rest)) < 0.05
    rows: list[dict[int, int]] = []
    for name, part in (("train", rest[~is_valid]), ("valid", rest[is_valid])):
        users, movies = part[:, 0] - 1, part[:, 1] - 1
        rows.append({})
        for bucket in range(NUM_BUCKETS):
            mine = np.flatnonzero(users % NUM_BUCKETS == bucket)
            columns = users[mine], movies[mine], part[mine, 2]
            write_bucket(root / name, bucket, *columns, rated_at=part[mine, 3])
            rows[-1][bucket] = len(mine)
    settings = load_model_configs(["--name", "u1", "--models", "biased_mf"], prog="test")
    sizes = {"num_users": NUM_USERS, "num_movies": NUM_MOVIES, "num_buckets": NUM_BUCKETS}
    job = make_job(root, (rows[0], rows[1]), settings["biased_mf"].train, **sizes)
    given = rest[~is_valid, 2]
    facts = replace(job.facts, rating_mean=float(given.mean()), rating_std=float(given.std()))
    return replace(job, facts=facts, seed=42)


@pytest.mark.parametrize(("preset", "options", "reached"), REACHED)
def test_rmse_does_not_slip(
    job: TrainJob,
    ratings: np.ndarray,
    tmp_path: Path,
    preset: str,
    options: list[str],
    reached: float,
) -> None:
    words = ["--name", "u1", "--models", preset, *options]
    settings = load_model_configs(words, prog="test")[preset].train
    with as_rank():
        train_rank(replace(job, folder=str(tmp_path), settings=replace(settings, refit=True)))
    model = open_model(str(tmp_path), json_files.read_json(str(tmp_path / "model.json")))
    users, movies, given, seconds = ratings[:NUM_TEST].T
    predicted = np.empty(NUM_TEST)
    for bucket in range(NUM_BUCKETS):
        mine = (users - 1) % NUM_BUCKETS == bucket
        rows = (users[mine] - 1) // NUM_BUCKETS
        predicted[mine] = model.predict(
            bucket, rows, movies[mine] - 1, seconds[mine].astype(np.int32)
        )
    answered = ~np.isnan(predicted)
    assert answered.mean() > 0.99
    errors = np.clip(predicted, 1, 5)[answered] - given[answered]
    rmse = float(np.sqrt(np.mean(errors**2)))
    print(f"{preset}: {rmse:.4f}")
    assert rmse < reached + SLIP


@pytest.mark.parametrize(("preset", "reached"), RANKED)
def test_ndcg_does_not_slip(
    job: TrainJob, ratings: np.ndarray, tmp_path: Path, preset: str, reached: float
) -> None:
    config = load_model_configs(["--name", "u1", "--models", preset], prog="test")[preset]
    stars = tuple(np.linspace(1, 5, len(config.signal.weights)).tolist())
    signal = Signal(stars, config.signal.weights)
    ranker = replace(job, settings=config.train, signal=signal, relevant_rating=4.0)
    with as_rank():
        train_rank(replace(ranker, folder=str(tmp_path)))
    model = open_model(str(tmp_path), json_files.read_json(str(tmp_path / "model.json")))
    assert isinstance(model, FactorModel)
    discounts = 1 / np.log2(np.arange(2, 12))
    found = []
    for user in range(NUM_USERS):
        mine, others = (part[part[:, 0] == user + 1] for part in np.split(ratings, [NUM_TEST]))
        liked = mine[mine[:, 2] >= 4, 1] - 1
        if len(liked):
            row = model.open_users(user % NUM_BUCKETS)[user // NUM_BUCKETS]
            scores = np.nan_to_num(model.movies @ row, nan=-np.inf)
            scores[others[:, 1] - 1] = -np.inf
            gains = np.isin(np.argsort(-scores)[:10], liked) @ discounts
            found.append(gains / discounts[: len(liked)].sum())
    print(f"{preset}: {np.mean(found):.4f}")
    assert np.mean(found) > reached - NDCG_SLIP
