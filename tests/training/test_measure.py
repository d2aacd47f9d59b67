from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file

from recspark.errors import TrainingError
from recspark.training.checkpoint import Position
from recspark.training.job import TrainJob
from recspark.training.rank import require_sound
from tests.training.jobs import NUM_BUCKETS, make_job, train_alone, train_together, write_bucket

COLD_MOVIE, COLD_USER = 16, 52


def without_cold_rows(job: TrainJob) -> TrainJob:
    """Return the job after removing one user's and one movie's rows from train."""
    rows = {}
    for folder in sorted(Path(job.train[0]).iterdir()):
        bucket = int(folder.name.removeprefix("bucket="))
        [file] = folder.glob("*.parquet")
        users, movies, ratings = (pq.read_table(file)[n].to_numpy() for n in range(3))
        kept = (users != COLD_USER) & (movies != COLD_MOVIE)
        file.unlink()
        folder.rmdir()
        write_bucket(Path(job.train[0]), bucket, users[kept], movies[kept], ratings[kept])
        rows[bucket] = int(kept.sum())
    return replace(job, train_rows=rows)


def rows_of(split: str) -> np.ndarray:
    files = sorted(Path(split).rglob("*.parquet"))
    return np.concatenate(
        [np.stack([pq.read_table(f)[n].to_numpy() for n in range(3)], axis=1) for f in files]
    )


@pytest.mark.parametrize("num_ranks", [1, 2])
def test_cold_ratings_are_counted_and_left_out(tmp_path: Path, num_ranks: int) -> None:
    job = without_cold_rows(make_job(tmp_path, epochs=1, init_scale=1.0))
    done = (
        train_alone(job, tmp_path / "m")
        if num_ranks == 1
        else train_together(job, tmp_path / "m", num_ranks)
    )
    movies = load_file(Path(done.folder) / "movies.safetensors")["movies"]
    users = {
        bucket: load_file(Path(done.folder) / "users" / f"bucket-{bucket:05d}.safetensors")
        for bucket in range(NUM_BUCKETS)
    }
    train = rows_of(job.train[0])
    warm_users, warm_movies = set(train[:, 0]), set(train[:, 1])
    assert COLD_USER not in warm_users
    assert COLD_MOVIE not in warm_movies
    errors, cold = [], 0
    for user, movie, rating in rows_of(job.valid):
        if user not in warm_users or movie not in warm_movies:
            cold += 1
            continue
        p = users[int(user) % NUM_BUCKETS]["rows"][int(user) // NUM_BUCKETS]
        q = movies[int(movie)]
        errors.append(3.5 + p[-1] + q[-1] + p[:-1] @ q[:-1] - rating)
    [record] = [json.loads(line) for line in (Path(done.folder) / "history.jsonl").open()]
    assert cold > 0
    assert record["valid_cold"] == cold
    assert record["valid_rmse"] == pytest.approx(np.sqrt(np.mean(np.square(errors))), rel=1e-5)


def test_a_valid_that_is_not_finite_ends_the_run(tmp_path: Path) -> None:
    job = make_job(tmp_path, epochs=5)
    write = {"users": [0], "movies": [0], "ratings": [float("inf")]}
    for folder in Path(job.valid).iterdir():
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
    write_bucket(Path(job.valid), 0, *(np.array(column) for column in write.values()))
    with pytest.raises(TrainingError, match="epoch 1: found a valid RMSE of inf at learning rate"):
        train_alone(replace(job, valid_rows={0: 1}), tmp_path / "m")


def test_a_model_far_worse_than_nothing_is_refused(tmp_path: Path) -> None:
    job = make_job(tmp_path)  # mean 3.5, standard deviation 1.1: predicting 0 errs by 3.67
    records = [{"train_rmse": 1.0, "valid_rmse": 9.0}, {"train_rmse": 9.0, "valid_rmse": 7.3}]
    require_sound(job, Position(best_epoch=1, history=records))
    with pytest.raises(TrainingError, match=r"RMSE of 9 on valid .* expected at most 7\.338"):
        require_sound(job, Position(best_epoch=0, history=records))
    records[1]["valid_rmse"] = None  # type: ignore[assignment]
    with pytest.raises(TrainingError, match="RMSE of 9 on train"):
        require_sound(job, Position(best_epoch=1, history=records))
