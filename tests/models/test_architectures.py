from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from recspark.errors import ConfigError
from recspark.models.batch_norm import BatchNorm
from recspark.models.rating_model import RatingModel
from recspark.models.registry import ARCHITECTURES, find_architecture
from recspark.models.spec import ModelSpec
from recspark.models.target import Target

Array = npt.NDArray[np.float64]

F, M, B = 3, 20, 40
LAYERS = ("dropout 0.3", "dense 6", "batch_norm", "relu", "dropout 0.5", "dense 4", "relu")
CENTERED = Target(kind="centered", mean=3.5)
STARS = Target(kind="one_of_k", values=(1.0, 2.0, 3.0, 4.0, 5.0))
SPECS: dict[str, ModelSpec] = {
    name: ModelSpec(num_movies=M, target=target, embedding_size=F, init_scale=0.5, layers=layers)
    for name, target, layers in [
        ("biased_mf", CENTERED, ()),
        ("dot_product", Target(kind="raw"), ()),
        ("embedding_mlp", Target(kind="standardized", mean=3.0, std=1.25), LAYERS),
        ("residual_mf", CENTERED, LAYERS),
        ("rating_classifier", STARS, LAYERS),
        ("autorec", Target(kind="raw"), LAYERS),
        ("mult_vae", Target(kind="raw"), ("dropout 0.3", "dense 6", "tanh")),
        ("bayesian_mf", CENTERED, ()),
    ]
}
SPECS["bayesian_mf"] = replace(SPECS["bayesian_mf"], samples=2)
# Their tables start empty.
UNLEARNED = ("autorec", "mult_vae", "bayesian_mf")


def make_model(name: str, seed: int = 0) -> RatingModel:
    """Return a model with every parameter and running statistic away from its initial value."""
    generator = torch.Generator().manual_seed(seed)
    model = find_architecture(name).build(SPECS[name], generator)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(torch.rand(tensor.shape, generator=generator))
    return model.eval()


def arrays(model: nn.Module) -> dict[str, Array]:
    return {name: tensor.numpy().astype(float) for name, tensor in model.state_dict().items()}


def dense(x: Array, state: dict[str, Array], name: str) -> Array:
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def hidden_by_hand(x: Array, state: dict[str, Array], name: str) -> Array:
    """The output of LAYERS for x in eval mode, where dropout does nothing."""
    x, norm = dense(x, state, f"{name}.1"), f"{name}.2"
    x = (x - state[f"{norm}.running_mean"]) / np.sqrt(state[f"{norm}.running_var"] + 1e-5)
    x = np.maximum(x * state[f"{norm}.weight"] + state[f"{norm}.bias"], 0)
    return np.maximum(dense(x, state, f"{name}.5"), 0)


def predict_by_hand(name: str, state: dict[str, Array], users: Array, index: Any) -> Array:
    """The prediction of each architecture, written out."""
    movies = state["movies"][index]
    if name == "dot_product":
        return np.array([sum(u * m) for u, m in zip(users, movies, strict=True)])
    if name in ("autorec", "mult_vae"):
        product = np.einsum("bh,bh->b", users[:, :-1], movies[:, :-1])
        return users[:, -1] + movies[:, -1] + product
    if name == "bayesian_mf":  # two samples of three factors and a bias, centers before draws
        one, two = (
            (users[:, a:b] * movies[:, a:b]).sum(axis=1) + users[:, b] + movies[:, b]
            for a, b in ((0, 3), (4, 7))
        )
        return 3.5 + (one + two) / 2
    if name in ("biased_mf", "residual_mf"):
        product = np.einsum("bf,bf->b", users[:, :F], movies[:, :F])
        rating = 3.5 + users[:, F] + movies[:, F] + product
        if name == "biased_mf":
            return rating
        both = np.hstack([users[:, :F], movies[:, :F]])
        return rating + dense(hidden_by_hand(both, state, "layers"), state, "layers.7")[:, 0]
    outputs = hidden_by_hand(np.hstack([users, movies]), state, "layers")
    outputs = dense(outputs, state, "layers.7")
    if name == "embedding_mlp":
        return 3.0 + 1.25 * outputs[:, 0]
    weights = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    return (weights * [1, 2, 3, 4, 5]).sum(axis=1) / weights.sum(axis=1)


@pytest.mark.parametrize("name", SPECS)
def test_prediction_agrees_with_numpy(name: str) -> None:
    model, rng = make_model(name), np.random.default_rng(1)
    users = rng.normal(size=(B, model.user_width)).astype(np.float32)
    index = rng.integers(0, M, B, dtype=np.int32)
    with torch.no_grad():
        found = model(torch.from_numpy(users), torch.from_numpy(index)).numpy()
    expected = predict_by_hand(name, arrays(model), users.astype(float), index)
    assert expected.std() > 0.05
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SPECS)
def test_same_seed_and_reloading_give_identical_predictions(name: str) -> None:
    build, spec = find_architecture(name).build, SPECS[name]
    one, same, other = (build(spec, torch.Generator().manual_seed(s)) for s in (5, 5, 6))
    for key, tensor in one.state_dict().items():
        assert torch.equal(tensor, same.state_dict()[key]), key
    assert torch.equal(one.movies, other.movies) == (name == "bayesian_mf")
    model = make_model(name)
    again = other.eval()
    again.load_state_dict(model.state_dict())
    users, index = torch.randn(B, model.user_width), torch.arange(B, dtype=torch.int32) % M
    assert torch.equal(model(users, index), again(users, index))


@pytest.mark.parametrize("name", SPECS)
def test_scores_have_the_shape_of_the_target_and_all_parameters_learn(name: str) -> None:
    model = find_architecture(name).build(SPECS[name], torch.Generator()).train()
    target = SPECS[name].target
    for num_rows in (0, 1, B):
        users = torch.randn(num_rows, model.user_width, requires_grad=True)
        index = torch.arange(num_rows) % M
        if num_rows == 0:
            model.eval()  # without a group of ranks no step is empty
        scores = model.train(num_rows > 0).score(users, model.embed_movies(index))
        expected = (num_rows, 5) if target.kind == "one_of_k" else (num_rows,)
        assert scores.shape == expected
    scores.square().sum().backward()
    assert users.grad.abs().sum() > 0
    learned = {key for key, value in model.named_parameters() if value.grad is not None}
    untouched = {key for key, _ in model.named_parameters()} - learned
    assert all(model.encodes_users and key != "movies" for key in untouched)


def test_initial_users_follow_the_spec() -> None:
    for name, spec in SPECS.items():
        model = find_architecture(name).build(spec, torch.Generator())
        rows = model.init_users(2000, torch.Generator().manual_seed(3))
        assert rows.shape == (2000, model.user_width)
        if name in UNLEARNED:
            assert not rows.any()
            continue
        assert rows[:, :F].std().item() == pytest.approx(0.5, rel=0.1)
        assert not rows[:, F:].any()
    uniform = replace(SPECS["dot_product"], init="uniform", init_scale=0.05)
    rows = uniform.draw(2000, 2, torch.Generator())
    assert 0.049 < rows.max() <= 0.05
    assert -0.05 <= rows.min() < -0.049


def test_every_architecture_is_tested_here_and_batch_norm_is_ours() -> None:
    assert set(SPECS) == set(ARCHITECTURES)
    for name in SPECS:
        for module in make_model(name).modules():
            assert not isinstance(module, nn.BatchNorm1d) or isinstance(module, BatchNorm)


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"found biased_mff, expected one of biased_mf"):
        find_architecture("biased_mff")
    for name, target in [("autorec", CENTERED), ("rating_classifier", CENTERED)]:
        with pytest.raises(ConfigError, match=r"train\.target: found centered, expected"):
            find_architecture(name).build(replace(SPECS[name], target=target), torch.Generator())
    for name in ("biased_mf", "embedding_mlp"):
        with pytest.raises(ConfigError, match=r"found one_of_k, expected raw or centered"):
            find_architecture(name).build(replace(SPECS[name], target=STARS), torch.Generator())
