"""Both learners of matrix factorisation against float64 NumPy, written out in this file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from recspark.arrays.compiled import Threads
from recspark.config import TrainConfig
from recspark.models.registry import find_architecture
from recspark.models.spec import ModelSpec
from recspark.models.target import Target
from recspark.training.batches import Batch
from recspark.training.clock import Clock
from recspark.training.factor_learner import FactorLearner, can_learn
from recspark.training.group import Group, join_group
from recspark.training.learner import Learner
from recspark.training.plan import StepPlan
from recspark.training.rating_learner import RatingLearner
from tests.training.jobs import as_rank

USERS, MOVIES, FACTORS, ROWS = 40, 23, 5, 64
CPU = torch.device("cpu")
CASES: dict[str, dict[str, Any]] = {
    "adam": {},
    "no-l2-on-biases": {"bias_reg": 0.0},
    "sgd": {"optimizer": "sgd", "momentum": 0.8, "learning_rate": 0.3},
    "unbiased": {"architecture": "dot_product", "init_scale": 0.5},
}


def settings(**changed: Any) -> TrainConfig:
    start: dict[str, Any] = {"architecture": "biased_mf", "embedding_size": FACTORS, "reg": 0.05}
    return TrainConfig(**{**start, **changed})


@pytest.fixture
def group() -> Iterator[Group]:
    with as_rank(), join_group(TrainConfig(device="cpu")) as alone:
        yield alone


class Given:
    """The batches of a list, over and over."""

    def __init__(self, batches: list[Batch]) -> None:
        self._batches = batches

    def epoch_steps(self, epoch: int, first_step: int = 0) -> Iterator[Batch]:
        yield from self._batches[first_step:]

    def close(self) -> None:
        pass


def make_batches(count: int, rows: int = ROWS) -> list[Batch]:
    """Return random batches in which users and movies repeat; the last user never comes.

    As in a feed, the users of a bucket of ten are neighbours in a batch.
    """
    rng = np.random.default_rng(4)

    def users() -> np.ndarray:
        drawn = (USERS * rng.random(rows) ** 2).astype(np.int32).clip(max=USERS - 2)
        return drawn[np.argsort(drawn // 10, kind="stable")]

    return [
        (
            torch.from_numpy(users()),
            torch.from_numpy((MOVIES * rng.random(rows) ** 2).astype(np.int32)),
            torch.from_numpy(rng.integers(1, 6, rows).astype(np.float32)),
        )
        for _ in range(count)
    ]


def make_learner(
    kind: type[FactorLearner] | type[RatingLearner],
    group: Group,
    chosen: TrainConfig,
    batches: list[Batch],
    threads: int = 1,
) -> Learner:
    target = Target(kind="standardized", mean=3.2, std=1.3)
    spec = ModelSpec.from_settings(chosen, num_movies=MOVIES, target=target)
    generator = torch.Generator().manual_seed(1)
    model = find_architecture(chosen.architecture).build(spec, generator)
    rows = model.init_users(USERS, generator)
    plan = StepPlan({0: sum(len(one[0]) for one in batches)}, len(batches[0][0]), seed=1)
    assert plan.num_steps == len(batches)
    return kind(model, rows, plan, Given(batches), chosen, group, Threads(threads))


def learn(learner: Learner, rate: float) -> np.ndarray:
    clock = Clock(CPU)
    batches = learner.batches(0, 0)
    sums = [learner.take_step(next(batches), s, rate, clock) for s in range(learner.plan.num_steps)]
    return torch.stack(sums).numpy()


def by_hand(learner: Learner, chosen: TrainConfig, batches: list[Batch]) -> tuple[np.ndarray, ...]:
    """Return (users, movies, sums) after all batches, from the learner's start, in float64."""
    p = learner.rows.detach().numpy().astype(float)
    q = learner.model.get_parameter("movies").detach().numpy().astype(float)
    is_biased = chosen.architecture == "biased_mf"
    weights = np.full(p.shape[1], chosen.reg)
    if is_biased and chosen.bias_reg is not None:
        weights[-1] = chosen.bias_reg
    memory = [np.zeros((2, *table.shape)) for table in (p, q)]
    sums = []
    for step, (users, movies, ratings) in enumerate(batches, start=1):
        u, m, y = users.numpy(), movies.numpy(), (ratings.numpy().astype(float) - 3.2) / 1.3
        pu, qm = p[u], q[m]
        size = FACTORS
        error = (pu[:, :size] * qm[:, :size]).sum(axis=1) - y
        if is_biased:
            error += pu[:, -1] + qm[:, -1]
        sums.append([(error**2).sum() + (weights * (pu**2 + qm**2)).sum(), 1.69 * (error**2).sum()])
        ones = np.ones((len(u), p.shape[1] - size))
        gradients = np.zeros_like(p), np.zeros_like(q)
        slope = 2 * error[:, None]
        np.add.at(gradients[0], u, slope * np.hstack([qm[:, :size], ones]) + 2 * weights * pu)
        np.add.at(gradients[1], m, slope * np.hstack([pu[:, :size], ones]) + 2 * weights * qm)
        touched = (np.unique(u), np.arange(MOVIES))
        for table, grad, (one, two), rows in zip((p, q), gradients, memory, touched, strict=True):
            g = grad[rows] / len(u)
            if chosen.optimizer == "sgd":
                one[rows] = chosen.momentum * one[rows] + g
                table[rows] -= chosen.learning_rate * one[rows]
                continue
            one[rows] = 0.9 * one[rows] + 0.1 * g
            two[rows] = 0.999 * two[rows] + 0.001 * g**2
            mean, square = one[rows] / (1 - 0.9**step), two[rows] / (1 - 0.999**step)
            table[rows] -= chosen.learning_rate * mean / (np.sqrt(square) + 1e-8)
    return p, q, np.array(sums)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    ("kind", "threads"), [(FactorLearner, 1), (FactorLearner, 3), (RatingLearner, 2)]
)
def test_100_steps_equal_those_written_out(
    group: Group, kind: Any, threads: int, case: str
) -> None:
    chosen, batches = settings(**CASES[case]), make_batches(100)
    learner = make_learner(kind, group, chosen, batches, threads)
    users, movies, expected = by_hand(learner, chosen, batches)
    start = learner.rows.detach().clone()
    sums = learn(learner, chosen.learning_rate)
    assert np.abs(users - start.numpy()).max() > 0.1  # it has learned
    np.testing.assert_allclose(learner.rows.detach().numpy(), users, atol=1e-4)
    found = learner.model.get_parameter("movies").detach().numpy()
    np.testing.assert_allclose(found, movies, atol=1e-4)
    np.testing.assert_allclose(sums, expected, rtol=1e-4)
    assert torch.equal(learner.rows[-1], start[-1])
    assert learner.seen_users.tolist() == [True] * (USERS - 1) + [False]
    seen = np.unique(np.concatenate([one[1].numpy() for one in batches]))
    assert np.flatnonzero(learner.seen_movies.numpy()).tolist() == seen.tolist()


def test_a_rank_without_rows_takes_an_empty_step(group: Group) -> None:
    none = torch.empty(0, dtype=torch.int32)
    for kind in (FactorLearner, RatingLearner):
        learner = make_learner(kind, group, settings(), make_batches(1), 2)
        start = learner.rows.detach().clone()
        movies = learner.model.get_parameter("movies").detach().clone()
        sums = learner.take_step((none, none, torch.empty(0)), 0, 0.1, Clock(CPU))
        assert sums.tolist() == [0, 0]
        assert torch.equal(learner.rows.detach(), start)
        assert torch.equal(learner.model.get_parameter("movies").detach(), movies)


def test_divergence_shows_in_the_sums(group: Group) -> None:
    learner = make_learner(FactorLearner, group, settings(), make_batches(1))
    learner.rows[3] = float("inf")
    learner.rows[4] = float("nan")
    assert not np.isfinite(learn(learner, 0.01)[0, 0])


@pytest.mark.parametrize("kind", [FactorLearner, RatingLearner])
@pytest.mark.parametrize("changed", [{}, {"optimizer": "sgd"}])
def test_a_restored_memory_goes_on_as_before(group: Group, kind: Any, changed: Any) -> None:
    chosen, batches = settings(**changed), make_batches(6)
    whole = make_learner(kind, group, chosen, batches)
    learn(whole, 0.05)
    first = make_learner(kind, group, chosen, batches[:3])
    learn(first, 0.05)
    second = make_learner(kind, group, chosen, batches[3:])
    with torch.no_grad():
        second.rows.copy_(first.rows)
    second.model.load_state_dict(first.model.state_dict())
    second.num_steps = 3
    second.load_memory(first.memory())
    learn(second, 0.05)
    assert torch.equal(second.rows, whole.rows)


def test_only_products_with_lazy_updates_on_the_cpu_take_the_loops() -> None:
    biased, mlp = find_architecture("biased_mf"), find_architecture("embedding_mlp")
    assert can_learn(biased, settings(), CPU)
    assert can_learn(find_architecture("dot_product"), settings(), CPU)
    for other in ("residual_mf", "embedding_mlp", "rating_classifier", "autorec"):
        assert not can_learn(find_architecture(other), settings(), CPU)
    assert not can_learn(mlp, settings(), CPU)
    assert not can_learn(biased, settings(), torch.device("cuda"))
    assert not can_learn(biased, replace(settings(), embedding_updates="table"), CPU)
    assert not can_learn(biased, replace(settings(), clip_norm=1.0), CPU)
