"""What bayesian_mf stores for a given moment, against a dense computation from its weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.dataset as ds
from safetensors.numpy import load_file

from recspark.arrays.ratings import NO_TIME, SECONDS_PER_YEAR
from recspark.config.sampler import SamplerConfig
from recspark.saved import over_time as o
from recspark.scoring.trained import open_model
from recspark.training.job import TrainJob
from tests.training.jobs import NUM_BUCKETS, make_job, train_alone
from tests.training.test_row_learner import with_times

SAMPLER = SamplerConfig(burn_in=4, samples=3, drift=True, time_process=True)
STD = 1.1


def trained(tmp_path: Path) -> TrainJob:
    job = make_job(
        tmp_path, architecture="bayesian_mf", epochs=10, target="standardized", sampler=SAMPLER
    )
    return train_alone(with_times(job), tmp_path / "m")


def test_paths_are_smoothed_from_what_the_mean_of_the_samples_leaves(tmp_path: Path) -> None:
    job = trained(tmp_path)
    folder = Path(job.folder)
    opened = open_model(str(folder), json.loads((folder / "model.json").read_text()))
    shared = load_file(folder / "times" / "movies.safetensors")
    noise = load_file(folder / "movies.safetensors")["movies"][:, -1].astype(float)
    variance, scale = shared[o.PROCESS]
    num_checked = 0
    for bucket in range(NUM_BUCKETS):
        mine = load_file(folder / "times" / f"users-{bucket:05d}.safetensors")
        user_noise = load_file(folder / "users" / f"bucket-{bucket:05d}.safetensors")["rows"][:, -1]
        stored = ds.dataset(f"{job.train[0]}/bucket={bucket}").to_table().to_pydict()
        table = {name: np.array(values) for name, values in stored.items()}
        rows, movies = table["user_index"] // NUM_BUCKETS, table["movie_index"]
        times = table["rated_at"]
        mean = opened.predict(bucket, rows, movies).astype(float)
        years = times / SECONDS_PER_YEAR
        slopes = mine[o.SLOPES][rows] * (years - mine[o.MEAN_TIMES][rows])
        slopes += shared[o.SLOPES][movies] * (years - shared[o.MEAN_TIMES][movies])
        left = table["rating"] - mean - slopes
        for row in np.unique(rows):
            at = np.flatnonzero(rows == row)
            at = at[np.argsort(times[at], kind="stable")]
            own = variance * np.exp(-np.abs(np.subtract.outer(times[at], times[at])) / scale)
            total = own + np.diag(STD**2 * user_noise[row] * noise[movies[at]])
            expected = own @ np.linalg.solve(total, left[at])
            spread = np.diag(own - own @ np.linalg.solve(total, own))
            span = slice(mine[o.STARTS][row], mine[o.STARTS][row + 1])
            assert mine[o.TIMES][span].tolist() == times[at].tolist()
            np.testing.assert_allclose(mine[o.PATHS][span], expected, atol=2e-4)
            np.testing.assert_allclose(mine[o.VARIANCES][span], spread, atol=2e-4)
            # At the time of a rating the prediction moves by exactly that.
            moved = opened.predict(bucket, rows[at], movies[at], times[at].astype(np.int32))
            np.testing.assert_allclose(moved - mean[at], slopes[at] + expected, atol=1e-3)
            num_checked += len(at)
    assert num_checked == sum(job.train_rows.values())


def test_without_times_a_prediction_is_for_no_particular_moment(tmp_path: Path) -> None:
    job = trained(tmp_path)
    folder = Path(job.folder)
    card = json.loads((folder / "model.json").read_text())
    assert card["uses_times"]
    opened = open_model(str(folder), card)
    pairs = np.array([0, 1, 2]), np.array([3, 4, 5])
    plain = opened.predict(0, *pairs)
    unknown = opened.predict(0, *pairs, np.array([NO_TIME] * 3, np.int32))
    assert plain.tolist() == unknown.tolist()
