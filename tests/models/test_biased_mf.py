from __future__ import annotations

import numpy as np
import pytest
import torch

from recspark.config import TrainConfig
from recspark.errors import ConfigError
from recspark.models.biased_mf import BiasedMF
from recspark.models.registry import ARCHITECTURES, find_architecture


def make_model(seed: int = 0) -> BiasedMF:
    return BiasedMF.from_settings(
        TrainConfig(embedding_size=3, init_std=0.5),
        num_movies=200,
        rating_mean=3.5,
        generator=torch.Generator().manual_seed(seed),
    )


def test_prediction_is_mean_plus_biases_plus_product_of_factors() -> None:
    model = BiasedMF(num_movies=2, embedding_size=2, init_std=0.1, rating_mean=3.0)
    with torch.no_grad():
        model.movies.copy_(torch.tensor([[1.0, 2.0, 0.5], [-1.0, 0.5, -0.25]]))
    users = torch.tensor([[0.5, 0.25, 0.125], [2.0, 4.0, -1.0]])
    # 3 + 0.125 − 0.25 + (0.5·−1 + 0.25·0.5) and 3 − 1 + 0.5 + (2·1 + 4·2)
    assert model(users, torch.tensor([1, 0])).tolist() == [2.5, 12.5]


def test_forward_agrees_with_numpy_on_random_rows() -> None:
    model, rng = make_model(), np.random.default_rng(1)
    users = rng.normal(size=(50, 4)).astype(np.float32)
    movies = rng.integers(0, 200, 50)
    table = model.movies.detach().numpy()
    with torch.no_grad():
        found = model(torch.from_numpy(users), torch.from_numpy(movies)).numpy()
    for row, (user, movie) in enumerate(zip(users, movies, strict=True)):
        expected = 3.5 + user[3] + table[movie][3]
        expected += sum(user[k] * table[movie][k] for k in range(3))
        assert found[row] == pytest.approx(expected, rel=1e-5)


def test_fresh_factors_have_the_asked_spread_and_biases_are_zero() -> None:
    movies = make_model().movies.detach()
    assert movies[:, :-1].std().item() == pytest.approx(0.5, rel=0.1)
    assert (movies[:, -1] == 0).all()
    assert torch.equal(movies, make_model().movies)
    assert not torch.equal(movies, make_model(seed=1).movies)


def test_every_architecture_is_rebuilt_from_its_hyper_parameters() -> None:
    for name, architecture in ARCHITECTURES.items():
        model = architecture.from_settings(
            TrainConfig(), num_movies=7, rating_mean=3.0, generator=torch.Generator()
        )
        again = find_architecture(name)(**model.hyper_parameters())
        again.load_state_dict(model.state_dict())
        users = torch.randn(2, model.user_width)
        index = torch.tensor([0, 6], dtype=torch.int32)
        assert torch.equal(model(users, index), again(users, index))


def test_unknown_architecture_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"found biased_mff, expected one of biased_mf"):
        find_architecture("biased_mff")
