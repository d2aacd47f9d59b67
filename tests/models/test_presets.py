from __future__ import annotations

from pathlib import Path

import pytest
import torch

from recspark.config import Config
from recspark.config.load import load_config, load_model_configs
from recspark.config.presets import list_presets, presets_folder
from recspark.models.registry import find_architecture
from recspark.models.spec import ModelSpec
from recspark.models.target import Target

CONF = Path(__file__).parents[2] / "conf"
DATA = str(CONF / "movielens-100k.yaml")
PRESETS = list_presets()
# Models that rank movies and predict no ratings.
RANKERS = {"popularity", "item_knn", "ease", "ials", "ials_large", "mult_vae"}
RECIPES = {
    *("netflix_embedding_nn", "lesson_dot", "lesson_bias", "lesson_nn", "softmax_classifier"),
    *("autorec", "netflix_mf", "netflix_deep", "netflix_residual", "scaled_nn"),
}


def test_every_recipe_has_a_preset_and_a_large_scale_preset() -> None:
    expected = RECIPES | {f"{name}_large" for name in RECIPES}
    others = {"als", "bias", "biased_mf", "biased_mf_neighbors", "cosine_user", "mf_als"}
    samplers = {
        f"bayesian_mf{kind}" for kind in ("", "_interactions", "_full", "_large", "_neighbors")
    }
    assert set(PRESETS) == expected | others | samplers | RANKERS


@pytest.fixture(scope="module")
def configs() -> dict[str, Config]:
    """The config of every preset, from a single slow pass of the parser."""
    argv = ["--config", DATA, "--models", ",".join(PRESETS)]
    return load_model_configs(argv, prog="test.py")


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_names_one_known_model_that_can_be_built(
    name: str, configs: dict[str, Config]
) -> None:
    config = configs[name]
    assert config.prepare.split == "pairs"  # the split of the data's config is kept
    assert config.ranks_only == (name in RANKERS)
    if config.train.architecture is None:
        known = {"als", "bias", "cosine_user", "residual_neighbors"} | RANKERS
        assert config.baseline.algorithm in known
        return
    values = (1.0, 2.0, 3.0, 4.0, 5.0) if config.train.target == "one_of_k" else ()
    spec = ModelSpec.from_settings(
        config.train, num_movies=7, target=Target(kind=config.train.target, values=values)
    )
    model = find_architecture(config.train.architecture).build(spec, torch.Generator()).eval()
    users = model.init_users(2, torch.Generator())
    assert model(users, torch.tensor([0, 6])).isfinite().all()


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_a_recipe_given_as_a_config_file_brings_its_split(name: str) -> None:
    preset = str(presets_folder() / f"{name}.yaml")
    config = load_config(["--config", DATA, "--config", preset, "--models", name], prog="test.py")
    assert config.name == "movielens-100k"
    assert config.prepare.split == "random"
    is_tenth = name in ("scaled_nn", "softmax_classifier")
    assert config.prepare.test_fraction == (0.1 if is_tenth else 0.2)
    filters = dict.fromkeys(("netflix_mf", "netflix_deep", "netflix_residual"), (10_001, 231))
    filters["autorec"] = (53_001, 831)
    minimums = config.prepare.min_ratings_per_movie, config.prepare.min_ratings_per_user
    assert minimums == filters.get(name, (1, 1))


def test_the_cosine_recipe_brings_its_filter_and_keeps_the_split() -> None:
    preset = str(presets_folder() / "cosine_user.yaml")
    words = ["--config", DATA, "--config", preset, "--models", "cosine_user"]
    prepare = load_config(words, prog="test.py").prepare
    # More than 53,000 ratings of a movie and more than 830 of a user.
    assert (prepare.min_ratings_per_movie, prepare.min_ratings_per_user) == (53_001, 831)
    assert prepare.split == "pairs"


def test_recipes_with_biases_penalise_factors_alone(configs: dict[str, Config]) -> None:
    for name in ("lesson_bias", "netflix_mf", "netflix_residual"):
        assert configs[name].train.reg > 0
        assert configs[name].train.bias_reg == 0


def test_embeddings_of_the_keras_notebook_start_within_its_bounds(
    configs: dict[str, Config],
) -> None:
    settings = configs["netflix_embedding_nn"].train
    assert settings.init == "uniform"
    # ±2 / (factors + 1), written by hand for 256 factors
    assert settings.init_scale == pytest.approx(0.00778, abs=5e-6)


def test_large_scale_presets_take_large_steps_and_cosine(configs: dict[str, Config]) -> None:
    for name in RECIPES:
        recipe, large = configs[name].train, configs[f"{name}_large"].train
        assert recipe.architecture == large.architecture
        assert large.batch_size >= 2 * recipe.batch_size
        assert (large.schedule, large.embedding_updates) == ("cosine", "rows")
