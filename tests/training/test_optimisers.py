from __future__ import annotations

import pytest
import torch
from torch import nn

from recspark.config import TrainConfig
from recspark.models.registry import find_architecture
from recspark.models.spec import ModelSpec
from recspark.models.target import Target
from recspark.training.optimisers import make_optimiser


def step_on_nothing(architecture: str, settings: TrainConfig, whole_tables: bool) -> dict:
    """Return how much one step of plain descent with gradients of 0 shrinks each parameter."""
    spec = ModelSpec(
        num_movies=4, target=Target(kind="raw"), embedding_size=3, layers=("dense 5", "relu")
    )
    model = find_architecture(architecture).build(spec, torch.Generator().manual_seed(1))
    users = nn.Parameter(torch.ones(2, 3))
    tables = (users, model.get_parameter("movies")) if whole_tables else ()
    optimiser = make_optimiser(model, settings, tables)
    parameters = {"users": users, **dict(model.named_parameters())}
    before = {name: value.detach().clone() for name, value in parameters.items()}
    for value in parameters.values():
        value.grad = torch.zeros_like(value)
    optimiser.step()
    return {
        name: 1 - (value.detach().norm() / before[name].norm()).item()
        for name, value in parameters.items()
        if before[name].norm() > 0
    }


def test_l2_on_dense_weights_has_the_gradient_of_lambda_w_squared() -> None:
    plain = TrainConfig(optimizer="sgd", momentum=0.0, learning_rate=0.1, weight_decay=0.3)
    shrunk = step_on_nothing("embedding_mlp", plain, whole_tables=False)
    for name, share in shrunk.items():
        # the gradient of 0.3 w² is 0.6 w; biases of layers and the tables are not penalised
        expected = 0.06 if name.startswith("layers") and name.endswith("weight") else 0.0
        assert share == pytest.approx(expected, abs=1e-6), name
    autorec = step_on_nothing("autorec", plain, whole_tables=False)
    assert autorec["movies"] == pytest.approx(0.06, abs=1e-6)


def test_l2_on_whole_tables_covers_both() -> None:
    plain = TrainConfig(optimizer="sgd", momentum=0.0, learning_rate=0.1, reg=0.2)
    shrunk = step_on_nothing("embedding_mlp", plain, whole_tables=True)
    assert shrunk["users"] == pytest.approx(0.04, abs=1e-6)
    assert shrunk["movies"] == pytest.approx(0.04, abs=1e-6)
    assert shrunk["layers.0.weight"] == 0
