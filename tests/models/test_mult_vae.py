"""Mult-VAE against the same network over dense rows of all movies."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from recspark.models.mult_vae import MultVAE
from recspark.models.rated_cells import RatedCells
from recspark.models.spec import ModelSpec
from recspark.models.target import Target

B, M, F, H = 24, 17, 4, 8
KL = 0.3


def make_model() -> MultVAE:
    layers = (f"dense {H}", "tanh")
    target = Target(kind="raw")
    spec = ModelSpec(num_movies=M, target=target, init_scale=0.5, layers=layers, embedding_size=F)
    model = MultVAE.build(spec, torch.Generator().manual_seed(1))
    assert isinstance(model, MultVAE)
    with torch.no_grad():
        model.movies[:, -1].normal_()
    return model


def make_cells() -> tuple[RatedCells, Tensor]:
    """Return cells and the same weights as a dense matrix; one user has none."""
    rng = torch.Generator().manual_seed(2)
    rated = torch.rand(B, M, generator=rng) < 0.4
    rated[5] = False
    dense = torch.rand(B, M, generator=rng) * rated
    users, movies = rated.nonzero().int().unbind(1)
    starts = torch.cat([torch.zeros(1), rated.sum(1).cumsum(0)]).int()
    return RatedCells(starts, users, movies, dense[rated], M), dense


def dense_parts(model: MultVAE, dense: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return (last hidden layer [B, H], mean, log variance), in torch's plain operations."""
    scaled = functional.normalize(dense, dim=1)
    hidden = torch.tanh(scaled @ model.input_weights + model.input_bias)
    codes = hidden @ model.code.weight.t() + model.code.bias
    mean, log_variance = codes[:, :F], codes[:, F:]
    code = mean + noise * torch.exp(log_variance / 2)
    weight, bias = model.decoder[0].weight, model.decoder[0].bias
    return torch.tanh(code @ weight.t() + bias), mean, log_variance


def test_loss_and_gradients_are_those_of_dense_rows() -> None:
    model = make_model().train()
    cells, dense = make_cells()
    torch.manual_seed(3)
    loss = model.loss(cells, KL)
    found = torch.autograd.grad(loss, list(model.parameters()))
    torch.manual_seed(3)
    hidden, mean, log_variance = dense_parts(model, dense, torch.randn(B, F))
    outputs = hidden @ model.movies[:, :-1].t() + model.movies[:, -1]
    chances = torch.exp(outputs) / torch.exp(outputs).sum(dim=1, keepdim=True)
    variance = torch.exp(log_variance)
    # KL(N(m, v) ‖ N(0, 1)) by torch's own formula for normals.
    divergence = torch.distributions.kl_divergence(
        torch.distributions.Normal(mean, variance.sqrt()), torch.distributions.Normal(0.0, 1.0)
    )
    expected = KL * divergence.sum() - (dense * chances.log()).sum()
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=0)
    wanted = torch.autograd.grad(expected, list(model.parameters()))
    for mine, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5)


def test_a_row_and_a_movie_give_the_score_of_the_mean_code() -> None:
    model = make_model().eval()
    cells, dense = make_cells()
    with torch.no_grad():
        rows = model.encode(cells, torch.zeros(B))
        hidden, _, _ = dense_parts(model, dense, torch.zeros(B, F))
        expected = hidden @ model.movies[:, :-1].t() + model.movies[:, -1]
        factors, movies = model.user_factors(rows), model.movie_factors()
    assert movies is not None
    torch.testing.assert_close(factors @ movies.t(), expected, rtol=1e-5, atol=1e-5)
    everyone = torch.arange(M).expand(B, M).reshape(-1)
    by_pair = model(rows.repeat_interleave(M, dim=0), everyone).view(B, M)
    torch.testing.assert_close(by_pair, expected, rtol=1e-5, atol=1e-5)


def test_dropout_leaves_out_movies_of_the_history() -> None:
    spec = ModelSpec(
        num_movies=M,
        target=Target(kind="raw"),
        layers=("dropout 0.5", "dense 8", "tanh"),
        embedding_size=F,
    )
    model = MultVAE.build(spec, torch.Generator().manual_seed(1))
    assert isinstance(model, MultVAE)
    cells, _ = make_cells()
    torch.manual_seed(1)
    codes = model.train()._codes(cells)[0]
    assert not torch.allclose(codes, model.eval()._codes(cells)[0], atol=1e-3)
