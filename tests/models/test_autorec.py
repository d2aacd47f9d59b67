"""AutoRec against the same network over dense rows of all movies, written here with torch.nn."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from recspark.errors import ConfigError
from recspark.models.autorec import AutoRec
from recspark.models.rated_cells import RatedCells
from recspark.models.rating_model import RatingModel
from recspark.models.spec import ModelSpec
from recspark.models.target import Target

B, M = 24, 17


def make_model(*layers: str) -> AutoRec:
    spec = ModelSpec(num_movies=M, target=Target(kind="raw"), init_scale=0.5, layers=layers)
    model = AutoRec.build(spec, torch.Generator().manual_seed(1))
    assert isinstance(model, AutoRec)
    return model


def make_cells() -> tuple[RatedCells, Tensor, Tensor, Tensor]:
    """Return (cells, means [B], the same ratings as a dense matrix, which cells are rated)."""
    rng = torch.Generator().manual_seed(2)
    rated = torch.rand(B, M, generator=rng) < 0.4
    rated[5] = False
    dense = torch.randn(B, M, generator=rng) * rated
    means = 1 + 4 * torch.rand(B, generator=rng)
    users, movies = rated.nonzero().int().unbind(1)
    starts = torch.cat([torch.zeros(1), rated.sum(1).cumsum(0)]).int()
    return RatedCells(starts, users, movies, dense[rated], M), means, dense, rated


def dense_network(model: AutoRec) -> nn.Sequential:
    """A network of 17 inputs, two dense layers and batch norm, with the model's weights."""
    network = nn.Sequential(
        nn.Linear(M, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4), nn.ReLU()
    )
    state = model.hidden.state_dict()
    with torch.no_grad():
        network[0].weight.copy_(model.input_weights.t())
        network[0].bias.copy_(model.input_bias)
        network[3].weight.copy_(state["3.weight"])
        network[3].bias.copy_(state["3.bias"])
    return network


def test_loss_and_gradients_are_those_of_dense_rows() -> None:
    model = make_model("dense 8", "batch_norm", "relu", "dense 4", "relu").train()
    with torch.no_grad():
        model.movies[:, -1].normal_()
    network = dense_network(model).train()
    cells, means, dense, rated = make_cells()
    rows = model.encode(cells, means)
    loss = (model.decode(rows, cells) - cells.ratings).square().mean()
    loss.backward()
    movies = model.movies.detach().clone().requires_grad_()
    outputs = network(dense) @ movies[:, :-1].t() + movies[:, -1]
    expected = (outputs - dense)[rated].square().mean()
    expected.backward()
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=0)
    pairs = [
        (model.movies.grad, movies.grad),
        (model.input_weights.grad, network[0].weight.grad.t()),
        (model.input_bias.grad, network[0].bias.grad),
        *(
            (mine.grad, other.grad)
            for mine, other in zip(model.hidden.parameters(), network[1:].parameters(), strict=True)
        ),
    ]
    for mine, other in pairs:
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-5)
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_users_are_encoded_and_every_movie_predicted() -> None:
    model = make_model("dropout 0.4", "dense 8", "batch_norm", "relu", "dense 4", "relu").eval()
    state = {
        f"{int(name[0]) - 1}{name[1:]}": one for name, one in model.hidden.state_dict().items()
    }
    plain = make_model("dense 8", "batch_norm", "relu", "dense 4", "relu")
    plain.hidden.load_state_dict(state)
    plain.input_weights, plain.input_bias = model.input_weights, model.input_bias
    cells, means, dense, _ = make_cells()
    with torch.no_grad():
        rows = model.encode(cells, means)
        hidden = dense_network(plain).eval()(dense)
        torch.testing.assert_close(rows, torch.cat([hidden, means[:, None]], dim=1))
        table = hidden @ model.movies[:, :-1].t() + model.movies[:, -1] + means[:, None]
        users, movies = torch.tensor([0, 23, 5]), torch.tensor([16, 0, 4])
        torch.testing.assert_close(model(rows[users], movies), table[users, movies])
        factors = model.user_factors(rows) @ model.movie_factors().t()
    torch.testing.assert_close(factors, table)


def test_dropout_before_the_first_layer_drops_ratings() -> None:
    model = make_model("dropout 0.25", "dense 3").train()
    with torch.no_grad():
        model.input_weights[:], model.input_bias[:] = 1.0, 0.0
    size = 40_000  # users with one rating of 1 each
    users = torch.arange(size + 1, dtype=torch.int32)
    movies = torch.zeros(size, dtype=torch.int32)
    cells = RatedCells(users, users[:-1], movies, torch.ones(size), M)
    torch.manual_seed(3)
    rows = model.encode(cells, torch.zeros(size))
    values, counts = rows[:, 0].unique(return_counts=True)
    torch.testing.assert_close(values, torch.tensor([0.0, 4 / 3]))
    assert counts[0].item() / size == pytest.approx(0.25, abs=0.01)
    # A dropped rating is still to be predicted.
    assert model.decode(rows, cells).shape == (size,)


def test_weight_decay_covers_the_layers_and_the_movies() -> None:
    model = make_model("dense 8", "batch_norm", "relu", "dense 4", "relu")
    shapes = [tuple(weight.shape) for weight in model.dense_weights()]
    assert shapes == [(M, 8), (4, 8), (M, 5)]
    assert model.encodes_users
    assert not RatingModel.encodes_users


@pytest.mark.parametrize("layers", [(), ("relu",), ("dropout 0.1", "batch_norm", "dense 4")])
def test_other_layers_before_the_first_dense_one_are_refused(layers: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match=r"expected at least one `dense N`, with nothing but"):
        make_model(*layers)
