"""mf_als and bayesian_mf as a whole: ranks, threads, resume, what is stored."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.numpy import load_file

from recspark.config import TrainConfig
from recspark.config.sampler import SamplerConfig, sample_sweeps
from recspark.errors import ConfigError, TrainingError
from recspark.models.bayesian_mf import BayesianMF
from recspark.models.spec import ModelSpec
from recspark.models.target import Target
from recspark.scoring.trained import open_model
from recspark.training import rank
from recspark.training.gibbs_learner import GibbsLearner
from recspark.training.job import TrainJob
from tests.training.jobs import NUM_BUCKETS, make_job, train_alone, train_together
from tests.training.test_engine import assert_same, history, interrupt
from tests.training.test_measure import rows_of

ALS: dict[str, Any] = {"optimizer": "als", "reg": 0.08, "bias_reg": 0.03, "init_scale": 0.3}
SAMPLER = SamplerConfig(burn_in=4, samples=3)
BAYES: dict[str, Any] = {"architecture": "bayesian_mf", "epochs": 10, "init_scale": 0.3}
BAYES |= {"sampler": SAMPLER}
DRIFT: dict[str, Any] = {**BAYES, "sampler": replace(SAMPLER, drift=True)}
SIDE: dict[str, Any] = {**BAYES, "sampler": replace(SAMPLER, interactions=4, time_process=True)}
NAMED = {"als": ALS, "bayes": BAYES, "drift": DRIFT, "side": SIDE}
KINDS = pytest.mark.parametrize("kind", NAMED.values(), ids=NAMED)
# side has all of bayes and drift in it
MOST_KINDS = pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, id=name, marks=[pytest.mark.slow] if name in ("bayes", "drift") else [])
        for name, kind in NAMED.items()
    ],
)


def with_times(job: TrainJob) -> TrainJob:
    """Return the job after giving its train random times within ten years."""
    rng = np.random.default_rng(9)
    for file in sorted(Path(job.train[0]).rglob("*.parquet")):
        table = pq.read_table(file, partitioning=None)
        times = pa.array(rng.integers(0, 3 * 10**8, len(table)), pa.int32())
        pq.write_table(table.set_column(3, "rated_at", times), file)
    return job


def assert_same_times(one: TrainJob, other: TrainJob, tolerance: float) -> None:
    """Check what two models store for predictions at a given moment."""
    files = sorted(Path(one.folder).glob("times/*.safetensors"))
    assert len(files) == (NUM_BUCKETS + 1 if one.settings.uses_times else 0)
    for file in files:
        mine, others = load_file(file), load_file(Path(other.folder) / "times" / file.name)
        assert mine.keys() == others.keys()
        for name, values in mine.items():
            np.testing.assert_allclose(values, others[name], rtol=tolerance, atol=tolerance)


@MOST_KINDS
@pytest.mark.parametrize("num_ranks", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_several_ranks_learn_the_same_as_one(
    tmp_path: Path, kind: dict[str, Any], num_ranks: int
) -> None:
    job = with_times(make_job(tmp_path, **kind))
    alone = train_alone(job, tmp_path / "alone")
    together = train_together(job, tmp_path / "together", num_ranks)
    assert_same(alone, together, 2e-3)
    assert_same_times(alone, together, 2e-3)
    for mine, others in zip(history(alone), history(together), strict=True):
        assert others["train_rmse"] == pytest.approx(mine["train_rmse"], abs=1e-4)
        assert others["valid_rmse"] == pytest.approx(mine["valid_rmse"], abs=1e-4)


@KINDS
def test_threads_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: dict[str, Any]
) -> None:
    job = with_times(make_job(tmp_path, **kind))
    one = train_alone(replace(job, num_cores=1), tmp_path / "one")
    monkeypatch.setattr(rank, "RATINGS_PER_THREAD", 1)
    three = train_alone(replace(job, num_cores=3), tmp_path / "three")
    assert_same(one, three, 1e-5)
    assert_same_times(one, three, 1e-5)


@KINDS
@pytest.mark.parametrize("saves", [*(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2)), 6])
def test_a_resumed_chain_goes_on_as_it_would_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: dict[str, Any], saves: int
) -> None:
    job = with_times(make_job(tmp_path, **{**kind, "epochs": 10, "patience": 10}))
    undisturbed = train_alone(job, tmp_path / "undisturbed")
    interrupt(job, tmp_path / "resumed", monkeypatch, saves)
    again = replace(job, settings=replace(job.settings, resume=True))
    resumed = train_alone(again, tmp_path / "resumed")
    assert_same(undisturbed, resumed, 0.0)
    assert_same_times(undisturbed, resumed, 1e-6)
    for mine, others in zip(history(undisturbed), history(resumed), strict=True):
        assert others["valid_rmse"] == pytest.approx(mine["valid_rmse"], rel=1e-6)


def tables(job: TrainJob) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """Return the movies, and the users by `user_index`."""
    movies = load_file(Path(job.folder) / "movies.safetensors")["movies"].astype(float)
    users = {}
    for bucket in range(NUM_BUCKETS):
        file = Path(job.folder) / "users" / f"bucket-{bucket:05d}.safetensors"
        for row, values in enumerate(load_file(file)["rows"]):
            users[row * NUM_BUCKETS + bucket] = values.astype(float)
    return movies, users


def test_als_ends_where_no_row_alone_can_do_better(tmp_path: Path) -> None:
    job = replace(make_job(tmp_path, **ALS, epochs=300), valid_rows={})
    job = train_alone(job, tmp_path / "m")
    movies, users = tables(job)
    train = rows_of(job.train[0])
    squares, penalty = 0.0, 0.0
    for mine, place, others, other in ((users, 0, movies, 1), (movies, 1, users, 0)):
        for name in np.unique(train[:, place]).astype(int):
            rated = train[train[:, place] == name]
            theirs = np.array([others[int(one)] for one in rated[:, other]])
            v = np.column_stack([theirs[:, :-1], np.ones(len(theirs))])
            y = rated[:, 2] - 3.5 - theirs[:, -1]
            reg = len(v) * np.diag([0.08] * 4 + [0.03])
            best = np.linalg.solve(v.T @ v + reg, v.T @ y)
            np.testing.assert_allclose(mine[name], best, atol=1e-4 if place == 0 else 0.01)
            penalty += best @ reg @ best
            squares += ((y - v @ best) ** 2).sum() if place == 0 else 0
    assert np.abs(movies[:, :4]).max() > 0.05
    last = history(job)[-1]
    assert last["train_rmse"] == pytest.approx(np.sqrt(squares / len(train)), rel=1e-3)
    assert last["train_loss"] == pytest.approx((squares + penalty) / len(train), rel=1e-2)


def test_the_model_is_the_mean_of_its_samples(tmp_path: Path) -> None:
    job = train_alone(make_job(tmp_path, **BAYES), tmp_path / "m")
    card = json.loads((Path(job.folder) / "model.json").read_text())
    movies, users = tables(job)
    valid, train = rows_of(job.valid), rows_of(job.train[0])
    warm = set(train[:, 0]), set(train[:, 1])
    rows = [row for row in valid if row[0] in warm[0] and row[1] in warm[1]]
    predicted = []
    for user, movie, _ in rows:
        p, q = users[int(user)][:15].reshape(3, 5), movies[int(movie)][:-1].reshape(3, 5)
        predicted.append(3.5 + ((p[:, :4] * q[:, :4]).sum(axis=1) + p[:, 4] + q[:, 4]).mean())
    errors = np.array(predicted) - [row[2] for row in rows]
    assert card["best_epoch"] == 9
    assert card["valid_rmse"] == pytest.approx(np.sqrt((errors**2).mean()), rel=1e-5)
    assert card["valid_rmse"] == history(job)[-1]["valid_rmse"] < 0.9
    centers, draws = (
        np.array([users[name][part].reshape(3, 5)[:, 4] for name in sorted(warm[0])])
        for part in (slice(0, 15), slice(15, 30))
    )
    assert np.corrcoef(centers.ravel(), draws.ravel())[0, 1] > 0.75
    assert abs((centers - draws).mean()) < 0.05
    assert (centers - draws).std() > 0.05
    scored = open_model(job.folder, card)
    for (user, movie, _), expected in zip(rows, predicted, strict=True):
        row, bucket = divmod(int(user), NUM_BUCKETS)
        found = scored.predict(bucket, np.array([row]), np.array([int(movie)]))
        assert found[0] == pytest.approx(expected, rel=1e-5)


def test_noise_is_stored_as_a_mean_variance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learners: list[GibbsLearner] = []
    monkeypatch.setattr(rank, "_save", lambda *parts: learners.append(parts[-1]))
    for samples in (1, 2):  # the second of two is the only one of the other run
        chosen = SamplerConfig(burn_in=8, samples=samples)
        train_alone(make_job(tmp_path / str(samples), **{**BAYES, "sampler": chosen}), tmp_path)
    [one, two] = learners
    users = 1 / one._users.weights
    movies = 1 / (one._movies.weights * one._sampler.numbers.alpha)
    np.testing.assert_allclose(one.rows[:, -1], users, rtol=1e-5)
    np.testing.assert_allclose(one.model.state_dict()["movies"][:, -1], movies, rtol=1e-5)
    assert len(np.unique(users.round(6))) > 50
    # A mean of two that has the last one as its half.
    other = 2 * two.rows[:, -1].numpy() - users
    assert (other > 0).all()
    assert 0.5 < other.mean() / users.mean() < 2


def test_samples_are_evenly_spaced_and_end_with_the_last_sweep() -> None:
    assert sample_sweeps(SamplerConfig(burn_in=4, samples=3), 10) == [5, 7, 9]
    assert sample_sweeps(SamplerConfig(burn_in=0, samples=4), 10) == [1, 4, 6, 9]
    assert sample_sweeps(SamplerConfig(burn_in=2, samples=3), 5) == [2, 3, 4]


def test_the_spread_over_samples_is_kept() -> None:
    spec = ModelSpec(
        num_movies=2, target=Target(kind="centered", mean=3.0), embedding_size=1, samples=2
    )
    model = BayesianMF(spec)
    model.movies.copy_(torch.tensor([[1.0, 0.5, 2.0, 0.0, 9.0], [0.0] * 5]))
    centers, draws = [3.0, 1.0, -1.0, 0.25], [2.0, 1.0, -2.0, 0.25]
    users = torch.tensor([[*centers, *draws, 7.0]])
    # 3·1 + 1 + .5 = 4.5 and -1·2 + .25 + 0 = -1.75; by draws 2·1 + 1 + .5 and -2·2 + .25
    assert model(users, torch.tensor([0])).item() == pytest.approx(3 + 1.375)
    assert model.score_draws(users, model.movies[:1]).tolist() == [[3.5, -3.75]]
    factors = model.user_factors(users), model.movie_factors()
    assert factors[1] is not None
    assert (factors[0] @ factors[1].T).tolist() == [[pytest.approx(4.375), pytest.approx(3.625)]]
    assert model.movie_vectors(torch.tensor([0])).tolist() == [[1.0, 2.0]]


def test_the_sampler_needs_no_valid(tmp_path: Path) -> None:
    job = replace(make_job(tmp_path, **BAYES), valid_rows={})
    done = train_alone(job, tmp_path / "m")
    assert [one["valid_rmse"] for one in history(done)] == [None] * 10
    assert json.loads((Path(done.folder) / "model.json").read_text())["best_epoch"] == 9


def test_checkpoints_may_be_rare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = []
    monkeypatch.setattr("recspark.training.checkpoint.Checkpoints.save", lambda *_: saved.append(1))
    train_alone(make_job(tmp_path / "often", **BAYES), tmp_path / "m")
    assert len(saved) == 9
    train_alone(make_job(tmp_path / "rare", **BAYES, checkpoint_seconds=3600), tmp_path / "n")
    assert len(saved) == 9


def test_drift_needs_times(tmp_path: Path) -> None:
    job = make_job(tmp_path, **DRIFT)
    file = next(Path(job.train[0]).rglob("*.parquet"))
    table = pq.read_table(file, partitioning=None)
    times = pa.array([None] + [0] * (len(table) - 1), pa.int32())
    pq.write_table(table.set_column(3, "rated_at", times), file)
    with pytest.raises(TrainingError, match=r"found 1 of \d+ ratings without a time"):
        train_alone(job, tmp_path / "m")


def test_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="als of biased_mf"):
        TrainConfig(architecture="dot_product", optimizer="als")
    with pytest.raises(ConfigError, match=r"train.reg: found 0"):
        TrainConfig(architecture="biased_mf", optimizer="als", reg=0)
    with pytest.raises(ConfigError, match=r"train.epochs: found 6, expected ≥ 7"):
        TrainConfig(**{**BAYES, "epochs": 6})
