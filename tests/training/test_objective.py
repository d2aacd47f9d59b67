from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from recspark.models.registry import find_architecture
from recspark.models.spec import ModelSpec
from recspark.models.target import Target
from recspark.training import objective
from recspark.training.objective import Objective

B, M, F = 50, 12, 6
LAYERS = ("dense 16", "relu", "dense 8", "relu")
TARGETS = {
    "biased_mf": Target(kind="centered", mean=3.0),
    "residual_mf": Target(kind="standardized", mean=3.0, std=1.3),
    "embedding_mlp": Target(kind="raw"),
    "rating_classifier": Target(kind="one_of_k", values=(1.0, 2.0, 3.0, 4.0, 5.0)),
}


def make(name: str, layers: tuple[str, ...] = LAYERS, **objective_words: object):  # type: ignore[no-untyped-def]
    spec = ModelSpec(
        num_movies=M, target=TARGETS[name], embedding_size=F, init_scale=0.5, layers=layers
    )
    model = find_architecture(name).build(spec, torch.Generator().manual_seed(1))
    rng = torch.Generator().manual_seed(2)
    users = torch.randn(B, model.user_width, generator=rng)
    movies = torch.randint(0, M - 1, (B,), generator=rng)
    ratings = torch.randint(1, 6, (B,), generator=rng).float()
    return model, users, movies, ratings, Objective(model, 0.1, **objective_words)


def by_autograd(model, users, movies, ratings, reg, bias_reg):  # type: ignore[no-untyped-def]
    """The loss of the batch, written out, as one pass."""
    rows = model.movies[movies]
    outputs, target = model.score(users, rows), model.spec.target
    if target.kind == "one_of_k":
        loss = functional.cross_entropy(outputs, (ratings - 1).long(), reduction="sum")
    else:
        loss = (outputs - (ratings - target.mean) / target.std).square().sum()
    squares = (model.combine(users, rows) - ratings).square().sum()
    width = F if model.has_biases else users.shape[1]
    loss = loss + reg * (users[:, :width].square().sum() + rows[:, :width].square().sum())
    if model.has_biases:
        loss = loss + bias_reg * (users[:, F].square().sum() + rows[:, F].square().sum())
    return loss, squares


@pytest.mark.parametrize("piece", [7, 25, 4096])
@pytest.mark.parametrize(
    ("name", "bias_reg"),
    [*((name, 0.1) for name in TARGETS), ("biased_mf", 0.7), ("residual_mf", 0.0)],
)
def test_gradients_in_pieces_are_those_of_the_whole(
    name: str, bias_reg: float, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objective, "PIECE_ROWS", piece)
    model, users, movies, ratings, mine = make(name, bias_reg=bias_reg)
    leaf = users.clone().requires_grad_()
    loss, squares = by_autograd(model, leaf, movies, ratings, 0.1, bias_reg)
    parameters = [leaf, *model.parameters()]
    expected = torch.autograd.grad(loss / 40, parameters)
    for is_leaf in (True, False):
        model.zero_grad(set_to_none=True)
        table = users.clone().requires_grad_()
        rows = table if is_leaf else table * 1.0
        sums = mine.backward(rows, movies, ratings, 1 / 40)
        torch.testing.assert_close(sums, torch.stack([loss, squares]).double(), rtol=1e-5, atol=0)
        for gradient, parameter in zip(expected, [table, *model.parameters()], strict=True):
            torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-6)


def test_batch_norm_sees_the_whole_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objective, "PIECE_ROWS", 7)
    model, users, movies, ratings, mine = make("embedding_mlp", ("dense 16", "batch_norm", "relu"))
    loss, _ = by_autograd(model, users, movies, ratings, 0.1, 0.1)
    sums = mine.backward(users.requires_grad_(), movies, ratings, 1.0)
    assert sums[0].item() == pytest.approx(loss.item(), rel=1e-5)


def test_a_rank_without_rows_adds_nothing() -> None:
    model, users, movies, ratings, mine = make("residual_mf", bias_reg=0.2)
    none = users[:0].clone().requires_grad_()
    assert mine.backward(none, movies[:0], ratings[:0], 1.0).tolist() == [0, 0]
    assert none.grad is not None
    assert all(p.grad is None or not p.grad.any() for p in model.parameters())


def test_bf16_is_close_and_leaves_float32_gradients() -> None:
    model, users, movies, ratings, exact = make("embedding_mlp")
    found = []
    for one in (exact, Objective(model, 0.1, is_bf16=True)):
        model.zero_grad(set_to_none=True)
        leaf = users.clone().requires_grad_()
        sums = one.backward(leaf, movies, ratings, 1 / B)
        found.append((sums, leaf.grad, model.layers[0].weight.grad))
    for mine, other in zip(*found, strict=True):
        assert other is not None
        assert mine.dtype == other.dtype
        assert not torch.equal(mine, other)
        assert (mine - other).norm() < 0.02 * mine.norm()
