from __future__ import annotations

import numpy as np
import pytest
import torch

from recspark.arrays.user_buckets import Shard
from recspark.config import TrainConfig
from recspark.models.biased_mf import BiasedMF
from recspark.models.spec import ModelSpec
from recspark.models.target import Target
from recspark.training.objective import Objective
from recspark.training.user_table import CHUNK_ROWS, UserTable, init_user_rows

ADAM = TrainConfig()


def make_model(num_movies: int = 6) -> BiasedMF:
    target = Target(kind="centered", mean=3.0)
    spec = ModelSpec(num_movies=num_movies, target=target, embedding_size=2, init_scale=0.3)
    return BiasedMF.build(spec, torch.Generator().manual_seed(1))


def test_gradient_of_gathered_rows_is_that_of_a_dense_table() -> None:
    model = make_model()
    rows = torch.randn(5, 3, generator=torch.Generator().manual_seed(2))
    users, movies = torch.tensor([4, 1, 4, 0, 4]), torch.tensor([0, 5, 5, 2, 0])
    ratings = torch.tensor([1.0, 5.0, 3.0, 2.0, 4.0])

    table = UserTable(rows.clone(), ADAM)
    loss, squares = Objective(model, reg=0.1)(table.gather(users.int()), movies, ratings)
    loss.backward()
    movie_gradient, model.movies.grad = model.movies.grad, None

    dense = rows.clone().requires_grad_()
    p, q = dense[users], model.movies[movies]
    error = 3.0 + p[:, 2] + q[:, 2] + (p[:, :2] * q[:, :2]).sum(1) - ratings
    (error.square().sum() + 0.1 * (p.square().sum() + q.square().sum())).backward()
    assert squares.item() == pytest.approx(error.square().sum().item())
    torch.testing.assert_close(table.gradient, dense.grad[[0, 1, 4]])
    torch.testing.assert_close(movie_gradient, model.movies.grad)


def test_biases_have_an_l2_weight_of_their_own() -> None:
    model = make_model()
    rows = torch.randn(5, 3, generator=torch.Generator().manual_seed(2))
    users, movies = torch.tensor([4, 1, 4]), torch.tensor([0, 5, 5])
    ratings = torch.tensor([1.0, 5.0, 3.0])
    p, q = rows[users], model.movies[movies]
    error = 3.0 + p[:, 2] + q[:, 2] + (p[:, :2] * q[:, :2]).sum(1) - ratings
    factors = p[:, :2].square().sum() + q[:, :2].square().sum()
    biases = p[:, 2].square().sum() + q[:, 2].square().sum()
    for bias_reg, expected in ((0.0, 0.1 * factors), (0.7, 0.1 * factors + 0.7 * biases)):
        loss, _ = Objective(model, 0.1, bias_reg)(p, movies, ratings)
        assert loss.item() == pytest.approx((error.square().sum() + expected).item(), rel=1e-5)


def test_updates_are_adam_on_the_rows_of_the_batch_and_nothing_elsewhere() -> None:
    rng, num_rows = np.random.default_rng(3), 2 * CHUNK_ROWS + 100
    rows = rng.normal(size=(num_rows, 2)).astype(np.float32)
    table = UserTable(torch.from_numpy(rows.copy()), ADAM)
    expected = rows.astype(np.float64)
    mean, square = np.zeros_like(expected), np.zeros_like(expected)
    for step in range(1, 5):
        which = np.sort(rng.choice(num_rows, num_rows - 50, replace=False))
        gradient = rng.normal(size=(len(which), 2)).astype(np.float32)
        table.step(torch.from_numpy(which).int(), torch.from_numpy(gradient), 0.01 * step)
        for row, grad in zip(which, gradient.astype(np.float64), strict=True):
            mean[row] = 0.9 * mean[row] + 0.1 * grad
            square[row] = 0.999 * square[row] + 0.001 * grad**2
            corrected = mean[row] / (1 - 0.9**step), square[row] / (1 - 0.999**step)
            expected[row] -= 0.01 * step * corrected[0] / (np.sqrt(corrected[1]) + 1e-8)
    np.testing.assert_allclose(table.rows.numpy(), expected, atol=2e-6)


def test_update_leaves_absent_users_untouched() -> None:
    table = UserTable(torch.ones(4, 2), ADAM)
    table.step(torch.tensor([2], dtype=torch.int32), torch.ones(1, 2), 0.5)
    table.step(torch.tensor([0], dtype=torch.int32), torch.ones(1, 2), 0.5)
    assert torch.equal(table.rows[[1, 3]], torch.ones(2, 2))
    assert table.rows[2].tolist() == pytest.approx([0.5, 0.5])


def test_empty_batch_has_a_loss_and_gradients_of_zero() -> None:
    model, table = make_model(), UserTable(torch.ones(4, 3), ADAM)
    none = torch.empty(0, dtype=torch.int32)
    loss, _ = Objective(model, reg=0.1)(table.gather(none), none, torch.empty(0))
    loss.backward()
    table.update(0.1)
    assert loss.item() == 0
    assert torch.equal(model.movies.grad, torch.zeros(6, 3))
    assert torch.equal(table.rows, torch.ones(4, 3))


@pytest.mark.parametrize("num_ranks", [1, 2, 3])
def test_initial_rows_of_a_user_do_not_depend_on_the_ranks(num_ranks: int) -> None:
    model = make_model()
    whole = Shard(num_users=23, num_buckets=5, rank=0, num_ranks=1)
    reference = init_user_rows(model, whole, seed=9)
    for rank in range(num_ranks):
        shard = Shard(num_users=23, num_buckets=5, rank=rank, num_ranks=num_ranks)
        rows = init_user_rows(model, shard, seed=9)
        for user in (user for user in range(23) if user % 5 in shard.buckets):
            mine = rows[shard.offsets[user % 5] + user // 5]
            assert torch.equal(mine, reference[whole.offsets[user % 5] + user // 5])
    assert len({tuple(row) for row in reference.tolist()}) == 23
    assert not torch.equal(reference, init_user_rows(model, whole, seed=10))


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_whole_table_is_updated_as_torch_updates_a_parameter(optimizer: str) -> None:
    settings = TrainConfig(optimizer=optimizer, embedding_updates="table", momentum=0.8)
    rng = torch.Generator().manual_seed(4)
    table = UserTable(torch.randn(7, 3, generator=rng), settings)
    dense = table.rows.clone().requires_grad_()
    torchs = (
        torch.optim.Adam([dense], lr=0.1)
        if optimizer == "adam"
        else torch.optim.SGD([dense], lr=0.1, momentum=0.8)
    )
    for _ in range(4):
        users = torch.randint(0, 7, (5,), generator=rng)
        weight = torch.randn(5, 3, generator=rng)
        (table.gather(users.int()) * weight).sum().backward()
        table.update(0.1)
        torchs.zero_grad()
        (dense[users] * weight).sum().backward()
        torchs.step()
        torch.testing.assert_close(table.rows, dense.detach())


def test_sgd_with_momentum_updates_only_the_rows_of_the_batch() -> None:
    table = UserTable(torch.zeros(3, 1), TrainConfig(optimizer="sgd", momentum=0.5))
    for _ in range(2):
        table.step(torch.tensor([1]), torch.tensor([[2.0]]), 0.1)
    # velocity 2, then 0.5 * 2 + 2 = 3
    assert table.rows[:, 0].tolist() == pytest.approx([0.0, -0.5, 0.0])
