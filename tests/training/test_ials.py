"""ials against dense matrices, and as a whole: ranks, resume, refit, rows without ratings."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recspark.arrays.user_buckets import Shard
from recspark.config import TrainConfig
from recspark.errors import ConfigError
from recspark.models.dot_product import DotProduct
from recspark.models.spec import ModelSpec
from recspark.models.target import Target
from recspark.training.job import TrainJob
from recspark.training.seeds import make_generator
from recspark.training.user_table import init_user_rows
from tests.training.jobs import NUM_BUCKETS, NUM_USERS, train_alone, train_together
from tests.training.rankers import IALS, SIGNAL, make_ranker, saved_tables, weight_matrix
from tests.training.test_engine import assert_same, history, interrupt
from tests.training.test_measure import rows_of

LAMBDA, ALPHA, K = 0.05, 0.2, 3


def start(job: TrainJob) -> tuple[np.ndarray, np.ndarray]:
    """Return the random users and movies that training starts from."""
    spec = ModelSpec.from_settings(
        job.settings, num_movies=job.facts.num_movies, target=Target(kind="raw")
    )
    model = DotProduct.build(spec, make_generator(job.seed, "model"))
    assert isinstance(model, DotProduct)
    shard = Shard(num_users=NUM_USERS, num_buckets=NUM_BUCKETS, rank=0, num_ranks=1)
    drawn = init_user_rows(model, shard, job.seed).numpy().astype(float)
    users = np.empty_like(drawn)
    for bucket, offset in shard.offsets.items():
        size = shard.bucket_users(bucket)
        users[bucket::NUM_BUCKETS] = drawn[offset : offset + size]
    return users, model.movies.detach().numpy().astype(float)


def half_sweep(weights: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the best row for each row of weights [R, N] given the others [N, K], densely."""
    num_others = int((weights > 0).any(axis=0).sum())
    found = np.zeros((len(weights), K))
    for row, w in enumerate(weights):
        count = int((w > 0).sum())
        if count:
            matrix = others.T @ np.diag(w + ALPHA) @ others
            matrix += LAMBDA * (count + ALPHA * num_others) * np.eye(K)
            found[row] = np.linalg.solve(matrix, others.T @ w)
    return found


def objective(weights: np.ndarray, users: np.ndarray, movies: np.ndarray) -> float:
    scores = users @ movies.T
    loss = (weights * (1 - scores) ** 2).sum() + ALPHA * (scores**2).sum()
    for mine, its in ((users, weights), (movies, weights.T)):
        num_others = (its > 0).any(axis=0).sum()
        counts = (its > 0).sum(axis=1) + ALPHA * num_others
        loss += LAMBDA * (counts * (mine**2).sum(axis=1)).sum()
    return float(loss)


def test_each_sweep_is_that_of_dense_matrices(tmp_path: Path) -> None:
    job = make_ranker(tmp_path, **{**IALS, "epochs": 3})
    weights = weight_matrix(job)
    is_left_out = rows_of(job.train[0])[:, 2] < 2.5
    assert is_left_out.any()
    users, movies = start(job)
    users[~(weights > 0).any(axis=1)] = 0
    assert (users == 0).all(axis=1).any()
    losses = []
    for _ in range(3):
        movies = half_sweep(weights.T, users)
        users = half_sweep(weights, movies)
        losses.append(objective(weights, users, movies) / sum(job.train_rows.values()))
    done = train_alone(job, tmp_path / "m")
    found = saved_tables(done)
    np.testing.assert_allclose(found[0], users, atol=2e-5)
    np.testing.assert_allclose(found[1], movies, atol=2e-5)
    assert np.abs(users).max() > 0.1
    np.testing.assert_allclose([one["train_loss"] for one in history(done)], losses, rtol=1e-5)
    assert losses == sorted(losses, reverse=True)


def test_valid_is_measured_by_ndcg(tmp_path: Path) -> None:
    job = train_alone(make_ranker(tmp_path, **IALS), tmp_path / "m")
    weights = weight_matrix(job)
    users, movies = saved_tables(job)
    rated = {(int(u), int(m)) for u, m, _ in rows_of(job.train[0])}
    liked: dict[int, set[int]] = {}
    for user, movie, rating in rows_of(job.valid):
        if rating >= 4:
            liked.setdefault(int(user), set()).add(int(movie))
    found = []
    for user, wanted in liked.items():
        if not weights[user].any():
            continue
        can = [m for m in range(len(movies)) if weights[:, m].any() and (user, m) not in rated]
        best = sorted(can, key=lambda m: -(users[user] @ movies[m]))[:10]
        gains = sum(1 / np.log2(rank + 2) for rank, m in enumerate(best) if m in wanted)
        found.append(gains / sum(1 / np.log2(rank + 2) for rank in range(min(10, len(wanted)))))
    card = json.loads((Path(job.folder) / "model.json").read_text())
    assert len(found) > 10
    assert 0.1 < np.mean(found) < 0.9
    assert history(job)[-1]["valid_ndcg"] == pytest.approx(np.mean(found), abs=1e-6)
    assert card["valid_ndcg"] == history(job)[-1]["valid_ndcg"]
    assert card["ranks_only"] is True
    assert card["valid_rmse"] is None
    assert card["signal_weights"] == SIGNAL.to_card()


@pytest.mark.parametrize("num_ranks", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_several_ranks_learn_the_same_as_one(tmp_path: Path, num_ranks: int) -> None:
    job = make_ranker(tmp_path, **IALS)
    alone = train_alone(job, tmp_path / "alone")
    together = train_together(job, tmp_path / "together", num_ranks)
    assert_same(alone, together, 1e-5)
    for mine, others in zip(history(alone), history(together), strict=True):
        assert others["train_loss"] == pytest.approx(mine["train_loss"], rel=1e-6)
        assert others["valid_ndcg"] == pytest.approx(mine["valid_ndcg"], abs=1e-6)
        assert others["valid_cold"] == mine["valid_cold"] > 0


def test_a_resumed_run_goes_on_as_it_would_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_ranker(tmp_path, **{**IALS, "epochs": 6})
    undisturbed = train_alone(job, tmp_path / "undisturbed")
    interrupt(job, tmp_path / "resumed", monkeypatch, 3)
    again = replace(job, settings=replace(job.settings, resume=True))
    resumed = train_alone(again, tmp_path / "resumed")
    assert_same(undisturbed, resumed, 0.0)
    figures = ("train_loss", "valid_ndcg")
    for mine, others in zip(history(undisturbed), history(resumed), strict=True):
        assert [mine[name] for name in figures] == [others[name] for name in figures]


def test_another_signal_does_not_continue_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_ranker(tmp_path, **{**IALS, "epochs": 6})
    interrupt(job, tmp_path / "m", monkeypatch, 3)
    other = replace(job, signal=replace(SIGNAL, weights=(0.4, 2.0)))
    with pytest.raises(ConfigError, match="signal"):
        train_alone(
            replace(other, settings=replace(job.settings, resume=True)), tmp_path / "resumed"
        )


def test_a_refit_knows_valid_too(tmp_path: Path) -> None:
    job = make_ranker(tmp_path, **{**IALS, "refit": True})
    done = train_alone(job, tmp_path / "refit")
    assert not (Path(done.folder) / "first_fit").exists()  # there are no predictions to keep
    both = replace(
        job,
        train=(*job.train, job.valid),
        train_rows={b: n + job.valid_rows.get(b, 0) for b, n in job.train_rows.items()},
        valid_rows={},
        settings=replace(job.settings, refit=False),
    )
    expected = saved_tables(train_alone(both, tmp_path / "both"))
    for mine, other in zip(saved_tables(done), expected, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-5)
    assert history(done)[-1]["valid_ndcg"] is not None


def test_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="ials of dot_product with the target raw"):
        TrainConfig(architecture="biased_mf", optimizer="ials", target="raw")
    with pytest.raises(ConfigError, match="ials of dot_product with the target raw"):
        TrainConfig(architecture="dot_product", optimizer="ials", target="centered")
    with pytest.raises(ConfigError, match=r"train.unobserved_weight: found 0"):
        TrainConfig(architecture="dot_product", unobserved_weight=0)


def test_what_ranks_only_predicts_no_ratings() -> None:
    assert TrainConfig(**IALS).ranks_only
    assert TrainConfig(architecture="mult_vae").ranks_only
    assert not TrainConfig(architecture="dot_product").ranks_only
