from __future__ import annotations

import numpy as np
import pytest
import torch

from recspark.arrays.user_buckets import Shard
from recspark.errors import DataError
from recspark.models.biased_mf import BiasedMF
from recspark.models.dot_product import DotProduct
from recspark.models.registry import ARCHITECTURES
from recspark.models.spec import ModelSpec
from recspark.models.target import Target
from recspark.saved import weights
from recspark.scoring import trained
from recspark.scoring.block_scorers import ScorerFactory
from recspark.scoring.predictors import EffectModel, FactorModel

NAN = float("nan")


def test_factors_are_multiplied_pair_by_pair_over_many_chunks() -> None:
    rng = np.random.default_rng(0)
    users, movies = rng.normal(size=(40, 3)), rng.normal(size=(30, 3))
    users[7], movies[4] = NAN, NAN
    model = FactorModel(movies, lambda bucket: users * bucket)
    rows, which = rng.integers(0, 40, 9000), rng.integers(0, 30, 9000)
    found = model.predict(2, rows, which)
    for row, movie, value in zip(rows, which, found, strict=True):
        expected = sum(2 * users[row, k] * movies[movie, k] for k in range(3))
        assert value == pytest.approx(expected, abs=1e-12, nan_ok=True)


KINDS = {"biased_mf": "standardized", "dot_product": "centered", "embedding_mlp": "raw"}
WITH_FACTORS = ("biased_mf", "dot_product", "autorec", "mult_vae", "bayesian_mf")
LAYERS = ("dense 4", "relu", "batch_norm")


@pytest.mark.parametrize("name", list(ARCHITECTURES))
def test_every_trained_model_predicts_as_its_forward_does(tmp_path, name: str) -> None:
    architecture = ARCHITECTURES[name]
    kind = KINDS.get(name, architecture.targets[0])
    values = (1.0, 2.0, 4.0) if kind == "one_of_k" else ()
    spec = ModelSpec(
        num_movies=6,
        embedding_size=3,
        init_scale=0.5,
        target=Target(kind=kind, mean=3.5, std=1.2, values=values),
        layers=LAYERS if architecture not in (BiasedMF, DotProduct) else (),
    )
    generator = torch.Generator().manual_seed(3)
    model = architecture.build(spec, generator).eval()
    users = torch.randn(5, model.user_width, generator=generator)
    seen_users, seen_movies = torch.ones(5, dtype=bool), torch.ones(6, dtype=bool)
    seen_users[3], seen_movies[2] = False, False
    shard = Shard(num_users=5, num_buckets=1, rank=0, num_ranks=1)
    weights.save_users(str(tmp_path), shard, users, seen_users)
    weights.save_movies(str(tmp_path), model.state_dict(), seen_movies)
    card = {"architecture": name, "spec": spec.to_card()}
    opened = trained.open_model(str(tmp_path), card)
    assert isinstance(opened, FactorModel) == (name in WITH_FACTORS)
    rows, which = (grid.ravel() for grid in np.meshgrid(np.arange(5), np.arange(6)))
    with torch.no_grad():
        expected = model(users[rows], torch.from_numpy(which)).numpy()
    expected[(rows == 3) | (which == 2)] = NAN
    np.testing.assert_allclose(opened.predict(0, rows, which), expected, atol=1e-5)
    # Top-N lists need blocks of scores, movies × users, by product or pair by pair.
    block = np.zeros((3, 2), np.float32)
    rater = ScorerFactory(opened, np.array([0, 1, 3, 5])).for_users(0, np.array([4, 1]))
    rater.fill(slice(1, 4), block)
    grid = np.reshape(expected, (6, 5))[np.ix_([1, 3, 5], [4, 1])]
    np.testing.assert_allclose(block, grid, atol=1e-5)
    vectors = trained.open_vectors(str(tmp_path), card)
    assert np.isnan(vectors).all(axis=1).tolist() == [False, False, True, False, False, False]


def test_weights_that_do_not_match_their_card_are_refused(tmp_path) -> None:
    spec = ModelSpec(num_movies=6, embedding_size=3, target=Target(kind="raw"))
    state = BiasedMF(spec).state_dict()
    weights.save_movies(str(tmp_path), state, torch.ones(6, dtype=bool))
    other = {**spec.to_card(), "num_movies": 7}
    for card in ({"architecture": "biased_mf", "spec": other}, {"architecture": "biased_mf"}):
        with pytest.raises(DataError, match="found damaged weights"):
            trained.open_model(str(tmp_path), card)


def test_effects_as_factors_are_the_same_predictions() -> None:
    effects = np.array([0.5, NAN, -1.0])
    model = EffectModel(3.0, np.array([0.25, NAN]), lambda bucket: effects)
    rows, movies = np.array([0, 0, 1, 2]), np.array([0, 1, 0, 0])
    for one in (model, model.as_factors()):
        np.testing.assert_allclose(one.predict(0, rows, movies), [3.75, NAN, NAN, 2.25])
