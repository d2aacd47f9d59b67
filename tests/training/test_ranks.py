"""One, two and four ranks reach the same validation RMSE, within the engine's stated tolerance."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recspark.config import TrainConfig
from recspark.config.load import load_model_configs
from recspark.datasets.prepared import PreparedFacts
from recspark.training.job import TrainJob
from tests.training.jobs import train_together, write_bucket

USERS, MOVIES, BUCKETS, RATINGS = 3000, 400, 8, 120_000
CONF = Path(__file__).parents[2] / "conf"


def write_ratings(folder: Path) -> tuple[dict[int, int], dict[int, int]]:
    """Write rounded ratings of a planted model as train and valid; return rows by bucket."""
    rng = np.random.default_rng(3)
    cells = rng.choice(USERS * MOVIES, RATINGS, replace=False)
    users, movies = cells // MOVIES, cells % MOVIES
    taste = rng.normal(size=(2, max(USERS, MOVIES), 3)) * 0.4
    effect = rng.normal(size=(2, max(USERS, MOVIES))) * 0.4
    mean = 3.6 + effect[0, users] + effect[1, movies]
    mean += (taste[0, users] * taste[1, movies]).sum(axis=1)
    ratings = np.clip(np.rint(mean + rng.normal(size=RATINGS) * 0.8), 1, 5)
    is_valid = rng.random(RATINGS) < 0.2
    rows: list[dict[int, int]] = []
    for name, chosen in (("train", ~is_valid), ("valid", is_valid)):
        rows.append({})
        for bucket in range(BUCKETS):
            mine = np.flatnonzero(chosen & (users % BUCKETS == bucket))
            write_bucket(folder / name, bucket, users[mine], movies[mine], ratings[mine])
            rows[-1][bucket] = len(mine)
    return rows[0], rows[1]


def make_job(folder: Path, settings: TrainConfig) -> TrainJob:
    train_rows, valid_rows = write_ratings(folder)
    return TrainJob(
        model_name="ranks",
        folder=str(folder / "model"),
        train=(str(folder / "train"),),
        valid=str(folder / "valid"),
        train_rows=train_rows,
        valid_rows=valid_rows,
        facts=PreparedFacts(
            num_users=USERS,
            num_movies=MOVIES,
            num_buckets=BUCKETS,
            rating_min=1.0,
            rating_max=5.0,
            rating_mean=3.6,
            rating_std=1.1,
            rating_values=(1.0, 2.0, 3.0, 4.0, 5.0),
        ),
        checkpoints=str(folder / "checkpoints"),
        tensorboard=str(folder / "tensorboard"),
        train_id="train",
        index_ids={},
        settings=replace(settings, device="cpu", epochs=8, timeout_seconds=60),
        seed=11,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("preset", "tolerance"),
    [("biased_mf", 0.001), ("netflix_mf", 0.001), ("netflix_deep", 0.005), ("autorec", 0.005)],
)
def test_the_number_of_ranks_hardly_changes_the_rmse(
    tmp_path: Path, preset: str, tolerance: float
) -> None:
    argv = ["--config", str(CONF / "movielens-100k.yaml"), "--models", preset]
    job = make_job(tmp_path, load_model_configs(argv, prog="test.py")[preset].train)
    best = {}
    for num_ranks in (1, 2, 4):
        done = train_together(job, tmp_path / f"ranks-{num_ranks}", num_ranks)
        lines = (Path(done.folder) / "history.jsonl").read_text().splitlines()
        best[num_ranks] = min(json.loads(line)["valid_rmse"] for line in lines)
    print(preset, best)
    assert best[1] < 1.0  # it has learned something: the ratings' standard deviation is 1.1
    for num_ranks in (2, 4):
        assert best[num_ranks] == pytest.approx(best[1], abs=tolerance)
