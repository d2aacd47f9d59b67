"""Jobs of models that rank, on the small data of `jobs.py`, and the same data as dense matrices."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from recspark.datasets.histories import Histories
from recspark.datasets.signal import Signal
from recspark.training.job import TrainJob
from tests.training.jobs import NUM_BUCKETS, NUM_MOVIES, NUM_USERS, make_job
from tests.training.test_measure import rows_of

# Ratings below 2.5 are left out.
SIGNAL = Signal((2.5, 5.0), (0.4, 1.6), 2.5)
IALS: dict[str, Any] = {"architecture": "dot_product", "optimizer": "ials", "target": "raw"}
IALS |= {"embedding_size": 3, "init_scale": 0.3, "reg": 0.05, "unobserved_weight": 0.2}
VAE: dict[str, Any] = {"architecture": "mult_vae", "target": "raw", "embedding_size": 3}
VAE |= {"layers": ("dropout 0.3", "dense 6", "tanh"), "batch_size": 16, "kl_epochs": 2}
VAE |= {"epochs": 6, "learning_rate": 0.02}


def make_ranker(root: Path, **settings: Any) -> TrainJob:
    """Return a job that learns from the weights of `SIGNAL`."""
    job = make_job(root, **settings)
    return replace(job, signal=SIGNAL, relevant_rating=4.0)


def weight_matrix(job: TrainJob) -> np.ndarray:
    """Return the weights of train, float64 [users, movies]."""
    found = np.zeros((NUM_USERS, NUM_MOVIES))
    for user, movie, rating in rows_of(job.train[0]):
        if rating >= 2.5:
            found[int(user), int(movie)] = 0.4 + 1.2 * min(rating - 2.5, 2.5) / 2.5
    return found


def saved_tables(job: TrainJob) -> tuple[np.ndarray, np.ndarray]:
    """Return users and movies of a trained model, float64."""
    users: dict[int, np.ndarray] = {}
    for bucket in range(NUM_BUCKETS):
        file = Path(job.folder) / "users" / f"bucket-{bucket:05d}.safetensors"
        for row, values in enumerate(load_file(file)["rows"]):
            users[row * NUM_BUCKETS + bucket] = values
    movies = load_file(Path(job.folder) / "movies.safetensors")["movies"]
    return np.array([users[one] for one in range(NUM_USERS)], float), movies.astype(float)


def histories_of(job: TrainJob) -> Histories:
    """Return what all users rated in train."""
    rows = rows_of(job.train[0])
    users, movies = rows[:, 0].astype(int), rows[:, 1].astype(np.int32)
    return Histories.group(users, movies, rows[:, 2].astype(np.float32), NUM_USERS)
