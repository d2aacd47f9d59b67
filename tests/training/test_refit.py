"""A model that is fitted again on train and valid equals one fitted on both from the start."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.dataset as ds
import pytest
import torch

from recspark.config.sampler import SamplerConfig
from recspark.saved import weights
from recspark.scoring.trained import open_model
from recspark.training import rank
from recspark.training.job import TrainJob
from tests.training.jobs import NUM_BUCKETS, make_job, train_alone, train_together
from tests.training.test_row_learner import with_times

SETTINGS: dict[str, Any] = {"epochs": 12, "patience": 2, "learning_rate": 0.1}


def card_of(job: TrainJob) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(job.folder) / "model.json").read_text())
    return found


def rows_of(job: TrainJob) -> dict[int, torch.Tensor]:
    return {bucket: weights.load_users(job.folder, bucket)[0] for bucket in range(NUM_BUCKETS)}


def merge(job: TrainJob, folder: Path) -> TrainJob:
    """Return a job whose train holds the rows of train and then of valid, in one data set."""
    for bucket in range(NUM_BUCKETS):
        target = folder / f"bucket={bucket}"
        target.mkdir(parents=True)
        for number, source in enumerate((job.train[0], job.valid)):
            for file in sorted(Path(source).glob(f"bucket={bucket}/*.parquet")):
                shutil.copy(file, target / f"part-{number}-{file.name}")
    rows = dict(Counter(job.train_rows) + Counter(job.valid_rows))
    return replace(job, train=(str(folder),), train_rows=rows, valid_rows={})


@pytest.mark.parametrize("feed", ["resident", "streaming"])
def test_the_second_fit_sees_train_and_valid_for_the_chosen_epochs(
    tmp_path: Path, feed: str
) -> None:
    job = make_job(tmp_path, **SETTINGS, feed=feed)
    first = train_alone(job, tmp_path / "first")
    chosen = card_of(first)["best_epoch"] + 1
    assert chosen < 12  # patience ended the first fit
    again = replace(job, settings=replace(job.settings, refit=True))
    found = train_alone(again, tmp_path / "again")
    assert card_of(found)["refit"]["epochs"] == chosen
    assert card_of(found)["valid_rmse"] == card_of(first)["valid_rmse"]
    whole = merge(job, tmp_path / "both")
    whole = replace(whole, settings=replace(job.settings, epochs=chosen))
    expected = train_alone(whole, tmp_path / "whole")
    for bucket, rows in rows_of(found).items():
        torch.testing.assert_close(rows, rows_of(expected)[bucket], rtol=0, atol=1e-6)


def test_the_first_fit_predicts_train_and_valid(tmp_path: Path) -> None:
    """By hand from the saved weights of a model that is not refitted; cold ratings are NaN."""
    job = make_job(tmp_path, **SETTINGS)
    first = train_alone(job, tmp_path / "first")
    again = replace(job, settings=replace(job.settings, refit=True))
    found = train_alone(again, tmp_path / "again")
    movies = weights.load_file(f"{first.folder}/movies.safetensors")
    squares, num_warm = 0.0, 0
    for bucket in job.valid_rows:
        users, seen = weights.load_users(first.folder, bucket)
        both = weights.load_first_fit(found.folder, bucket)
        assert both is not None
        for path, kept in zip((job.train[0], job.valid), both, strict=True):
            rows = ds.dataset(f"{path}/bucket={bucket}").to_table().to_pydict()
            for user, movie, rating, value in zip(
                rows["user_index"], rows["movie_index"], rows["rating"], kept.tolist(), strict=True
            ):
                p, q = users[user // NUM_BUCKETS], movies["movies"][movie]
                expected = float(3.5 + p[-1] + q[-1] + p[:-1] @ q[:-1])
                if not (seen[user // NUM_BUCKETS] and movies["seen"][movie]):
                    expected = float("nan")
                elif path == job.valid:
                    squares, num_warm = squares + (expected - rating) ** 2, num_warm + 1
                assert value == pytest.approx(expected, abs=1e-5, nan_ok=True)
    rmse = np.sqrt(squares / num_warm)
    assert card_of(found)["valid_rmse"] == pytest.approx(rmse, abs=1e-5)


def test_a_run_killed_in_the_second_fit_does_not_repeat_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(tmp_path, **SETTINGS, refit=True, resume=True)
    expected = train_alone(job, tmp_path / "whole")
    shutil.rmtree(job.checkpoints)

    def fail(*_: object) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(rank.refit, "save_predictions", fail)
        with pytest.raises(RuntimeError, match="killed"):
            train_alone(job, tmp_path / "killed")
    fits: list[bool] = []
    make_learner = rank.make_learner

    def count(job: TrainJob, *rest: Any) -> Any:
        fits.append(job.stop_after is not None)
        return make_learner(job, *rest)

    monkeypatch.setattr(rank, "make_learner", count)
    found = train_alone(job, tmp_path / "resumed")
    assert fits == [True]
    assert card_of(found)["valid_rmse"] == card_of(expected)["valid_rmse"]
    for bucket, rows in rows_of(found).items():
        torch.testing.assert_close(rows, rows_of(expected)[bucket], rtol=0, atol=1e-6)
        torch.testing.assert_close(
            weights.load_first_fit(found.folder, bucket),
            weights.load_first_fit(expected.folder, bucket),
            equal_nan=True,
        )


def test_two_ranks_refit_as_one_does(tmp_path: Path) -> None:
    job = make_job(tmp_path, **SETTINGS, refit=True)
    one = train_alone(job, tmp_path / "one")
    two = train_together(job, tmp_path / "two", 2)
    assert card_of(two)["refit"]["epochs"] == card_of(one)["refit"]["epochs"]
    for bucket, rows in rows_of(two).items():
        torch.testing.assert_close(rows, rows_of(one)[bucket], rtol=0, atol=1e-4)


def test_without_valid_there_is_nothing_to_refit(tmp_path: Path) -> None:
    job = replace(make_job(tmp_path, epochs=2, refit=True), valid_rows={})
    found = train_alone(job, tmp_path / "m")
    assert "refit" not in card_of(found)
    assert weights.load_first_fit(found.folder, 0) is None


def test_the_first_fit_predicts_at_the_times_of_the_ratings(tmp_path: Path) -> None:
    """As scoring with the same model, not refitted; the RMSE of its card is that of these."""
    sampler = SamplerConfig(burn_in=4, samples=3, drift=True, time_process=True)
    settings = {"architecture": "bayesian_mf", "epochs": 10, "target": "standardized"}
    job = with_times(make_job(tmp_path, **settings, sampler=sampler))
    first = train_alone(job, tmp_path / "first")
    again = replace(job, settings=replace(job.settings, refit=True))
    found = train_alone(again, tmp_path / "again")
    opened = open_model(first.folder, card_of(first))
    errors: list[float] = []
    for bucket in job.valid_rows:
        both = weights.load_first_fit(found.folder, bucket)
        assert both is not None
        for path, kept in zip((job.train[0], job.valid), both, strict=True):
            table = ds.dataset(f"{path}/bucket={bucket}").to_table().to_pydict()
            rows = np.array(table["user_index"]) // NUM_BUCKETS
            movies, times = np.array(table["movie_index"]), np.array(table["rated_at"])
            expected = opened.predict(bucket, rows, movies, times)
            np.testing.assert_allclose(kept.numpy(), expected, atol=1e-5)
            assert np.nanmax(np.abs(expected - opened.predict(bucket, rows, movies))) > 0.05
        errors.extend(expected - np.array(table["rating"]))
    rmse = np.sqrt(np.nanmean(np.square(errors)))
    for job in (first, found):
        np.testing.assert_allclose(card_of(job)["valid_rmse"], rmse, atol=1e-5)
        history = (Path(job.folder) / "history.jsonl").read_text().splitlines()
        assert json.loads(history[-1])["valid_rmse"] == card_of(job)["valid_rmse"]
